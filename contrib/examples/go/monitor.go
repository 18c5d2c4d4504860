// SPDX-License-Identifier: MIT

// Prints what is in the mailbox of ../c/mailbox.c, a line for each change that it sees. It only
// reads: nobody waits for it, and it needs no library, but what shmfs_heap(5) tells.
//
//	go build monitor.go
//	./monitor FILE [COUNT]     /dev/shm/mailbox, or a file of a mount; COUNT lines
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	header     = 8192
	nameType   = 1   // of the mailbox
	mailbox    = 292 // its size, without what aligns its end
	deathsAt   = 20  // in it: how many holders of its mutex died
	fullAt     = 32
	textAt     = 36
	tableParts = 28
)

var errDamaged = errors.New("the heap is damaged")

// Heap is the file, mapped to be read. Anyone who may write to it may have written anything. That
// of the mailbox does not grow, so it is mapped once.
type Heap []byte

func mapHeap(path string) (Heap, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the mapping does not need it
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < header {
		return nil, errors.New("this is no heap")
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ,
		syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	h := Heap(memory)
	if string(h[:8]) != "SHMFHEAP" {
		return nil, errors.New("this is no heap")
	}
	// Another byte order or version, or a feature that this program does not know.
	if h.word(8) != 0x01020304 || h.word(12) != 1 || h.word(16) != 0 {
		return nil, errors.New("this heap is not known here")
	}
	return h, nil
}

// word loads 32 bits, which others may change. The position lies in the heap.
func (h Heap) word(at uint64) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&h[at])))
}

// long loads 64 bits at any position.
func (h Heap) long(at uint64) (uint64, error) {
	data, err := h.at(at, 8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(data), nil
}

func (h Heap) at(at, size uint64) ([]byte, error) {
	if at > uint64(len(h)) || size > uint64(len(h))-at || at%4 != 0 {
		return nil, errDamaged
	}
	return h[at : at+size], nil
}

// bucket is where the first name of the bucket of a name stands.
func (h Heap) bucket(name string) (uint64, error) {
	buckets := binary.LittleEndian.Uint64(h[240:])
	hash := 14695981039346656037 ^ binary.LittleEndian.Uint64(h[72:])
	for _, letter := range []byte(name) {
		hash = (hash ^ uint64(letter)) * 1099511628211
	}
	hash ^= hash >> 29
	power := uint64(16)
	for power < buckets {
		if power *= 2; power == 0 {
			return 0, errDamaged
		}
	}
	index := hash % power
	if index >= buckets {
		index = hash % (power / 2)
	}
	part, first := uint64(0), uint64(0)
	for end := uint64(16); index >= end; end *= 2 {
		part, first = part+1, end
	}
	if part >= tableParts {
		return 0, errDamaged
	}
	return binary.LittleEndian.Uint64(h[248+8*part:]) + 8*(index-first), nil
}

// findNow looks for a name, as far as nobody changes names meanwhile. 0: there is none.
func (h Heap) findNow(name string) (uint64, error) {
	if binary.LittleEndian.Uint64(h[240:]) == 0 {
		return 0, nil
	}
	at, err := h.bucket(name)
	if err == nil {
		at, err = h.long(at)
	}
	most := binary.LittleEndian.Uint64(h[232:])
	for steps := uint64(0); err == nil && at != 0 && steps < most; steps++ {
		var entry, text []byte
		if entry, err = h.at(at, 44); err != nil {
			return 0, err
		}
		length := uint64(binary.LittleEndian.Uint32(entry[40:]))
		if text, err = h.at(at+44, length); err != nil {
			return 0, err
		}
		if string(text) == name && binary.LittleEndian.Uint64(entry[16:]) == nameType {
			return binary.LittleEndian.Uint64(entry[24:]), nil
		}
		at = binary.LittleEndian.Uint64(entry)
	}
	return 0, err
}

// find looks for a name until nobody changes names meanwhile.
func (h Heap) find(name string) (uint64, error) {
	for tries := 0; tries < 1000; tries++ {
		before := h.word(132)
		at, err := h.findNow(name)
		if before%2 == 0 && h.word(132) == before {
			return at, err
		}
		time.Sleep(time.Millisecond)
	}
	return 0, errors.New("names are changed all the time, or who changed them died")
}

// state is what the mailbox has, in words. The text is whole: "full" changes last.
func (h Heap) state(at uint64) (string, error) {
	box, err := h.at(at, mailbox)
	if err != nil {
		return "", err
	}
	for h.word(at+fullAt) == 1 {
		text, _, _ := bytes.Cut(append([]byte{}, box[textAt:]...), []byte{0})
		if h.word(at+fullAt) == 1 {
			return "full: " + string(text), nil
		}
	}
	return fmt.Sprintf("empty, deaths: %d", h.word(at+deathsAt)), nil
}

func watch(path string, count int) error {
	h, err := mapHeap(path)
	if err != nil {
		return err
	}
	at := uint64(0)
	for at == 0 {
		if at, err = h.find("mailbox"); err != nil {
			return err
		}
	}
	for last := ""; count != 0; time.Sleep(time.Millisecond) {
		now, err := h.state(at)
		if err != nil {
			return err
		}
		if now != last {
			fmt.Println(now)
			count--
		}
		last = now
	}
	return nil
}

func main() {
	count := -1
	if len(os.Args) == 3 {
		count, _ = strconv.Atoi(os.Args[2])
	}
	if len(os.Args) < 2 || len(os.Args) > 3 || count == 0 {
		fmt.Fprintln(os.Stderr, "usage: monitor FILE [COUNT]")
		os.Exit(2)
	}
	if err := watch(os.Args[1], count); err != nil {
		fmt.Fprintf(os.Stderr, "monitor: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

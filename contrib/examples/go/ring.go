// SPDX-License-Identifier: MIT

// Sends texts through a ring in a file of the mount, or receives them (../README.md).
//
//	go build ring.go
//	./ring send FILE TEXT...
//	./ring receive FILE COUNT
package main

import (
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
	slots   = 15
	textMax = 252
)

// Ring is the file as it is mapped. Its words are the same machine word everywhere:
// little-endian.
type Ring struct {
	version atomic.Uint32 // 0 until somebody uses it
	_       [60]byte
	head    atomic.Uint32 // the slot to fill next: the sender's
	_       [60]byte
	tail    atomic.Uint32 // the slot to empty next: the receiver's
	_       [124]byte
	slots   [slots]struct {
		length uint32
		text   [textMax]byte
	}
}

const size = int(unsafe.Sizeof(Ring{}))

// mapRing maps the file at path. A new file is empty, and a ring of zeros is an empty ring:
// it takes no creator.
func mapRing(path string) (*Ring, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0644)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the mapping does not need it
	info, err := file.Stat()
	if err == nil && info.Size() == 0 {
		err = file.Truncate(int64(size))
	} else if err == nil && info.Size() != int64(size) {
		err = fmt.Errorf("%s is no ring of version 1", path)
	}
	if err != nil {
		return nil, err
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, size,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if errors.Is(err, syscall.ENODEV) {
		return nil, fmt.Errorf("%s cannot be mapped: its mount is in direct mode "+
			"(see shmfs(1)); read and write it, as ring.pl does", path)
	} else if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	ring := (*Ring)(unsafe.Pointer(&memory[0]))
	if !ring.version.CompareAndSwap(0, 1) && ring.version.Load() != 1 {
		return nil, fmt.Errorf("%s is no ring of version 1", path)
	}
	return ring, nil
}

// nap: the other side has nothing to wake us by; a millisecond is soon enough.
func nap() {
	time.Sleep(time.Millisecond)
}

// Send waits for a free slot. Atomics of Go are ordered: who sees the head sees the text.
func (r *Ring) Send(text string) {
	// Others can store at any time what is no slot: the remainder always is one.
	head := r.head.Load() % slots
	for r.tail.Load() == (head+1)%slots {
		nap()
	}
	slot := &r.slots[head]
	slot.length = uint32(copy(slot.text[:], text))
	r.head.Store((head + 1) % slots)
}

// Receive waits for a text.
func (r *Ring) Receive() string {
	tail := r.tail.Load() % slots
	for r.head.Load() == tail {
		nap()
	}
	slot := &r.slots[tail]
	length := slot.length
	if length > textMax {
		length = textMax
	}
	text := string(slot.text[:length])
	r.tail.Store((tail + 1) % slots)
	return text
}

func run(verb, path string, words []string) error {
	for _, text := range words {
		if len(text) > textMax {
			return fmt.Errorf("a text has at most %d bytes", textMax)
		}
	}
	count := 0
	if verb == "receive" {
		var err error
		if count, err = strconv.Atoi(words[0]); err != nil {
			return err
		}
	}
	ring, err := mapRing(path)
	if err != nil {
		return err
	}
	if verb == "send" {
		for _, text := range words {
			ring.Send(text)
		}
	}
	for ; count > 0; count-- {
		fmt.Println(ring.Receive())
	}
	return nil
}

func main() {
	args := os.Args[1:]
	if len(args) < 3 || args[0] != "send" && (args[0] != "receive" || len(args) != 3) {
		fmt.Fprintln(os.Stderr, "usage: ring send FILE TEXT... | ring receive FILE COUNT")
		os.Exit(2)
	}
	if err := run(args[0], args[1], args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "ring:", err)
		os.Exit(1)
	}
}

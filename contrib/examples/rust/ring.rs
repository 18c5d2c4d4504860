// SPDX-License-Identifier: MIT
//! Sends texts through a ring in a file of the mount, or receives them (../README.md).
//!
//!     rustc --edition 2021 ring.rs
//!     ./ring send FILE TEXT...
//!     ./ring receive FILE COUNT
use std::cell::UnsafeCell;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::raw::{c_int, c_long, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::{env, mem, process, ptr, thread, time::Duration};

const SLOTS: u32 = 15;
const TEXT_MAX: usize = 252;
const ENODEV: i32 = 19;

// What the crate libc declares as well.
extern "C" {
    fn mmap(
        at: *mut c_void,
        n: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        offset: c_long,
    ) -> *mut c_void;
}
const PROT_READ_WRITE: c_int = 1 | 2;
const MAP_SHARED: c_int = 1;

#[repr(C, align(64))]
struct Word(AtomicU32);

#[repr(C)]
struct Slot {
    length: u32,
    text: [u8; TEXT_MAX],
}

#[repr(C, align(256))]
struct Slots([UnsafeCell<Slot>; SLOTS as usize]);

/// The file as it is mapped. A ring of zeros is an empty ring: it takes no creator.
#[repr(C)]
struct Ring {
    version: Word, // 0 until somebody uses it
    head: Word,    // the slot to fill next: the sender's
    tail: Word,    // the slot to empty next: the receiver's
    slots: Slots,
}

const SIZE: usize = mem::size_of::<Ring>();

fn map(file: &File) -> io::Result<&'static Ring> {
    let fd = file.as_raw_fd();
    let at = unsafe { mmap(ptr::null_mut(), SIZE, PROT_READ_WRITE, MAP_SHARED, fd, 0) };
    if at as isize == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(unsafe { &*(at as *const Ring) }) // never unmapped
}

/// The other side has nothing to wake us by; a millisecond is soon enough.
fn nap() {
    thread::sleep(Duration::from_millis(1));
}

impl Ring {
    fn open(path: &Path) -> Result<&'static Ring, Box<dyn Error>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .open(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if file.metadata()?.len() == 0 {
            file.set_len(SIZE as u64)?;
        }
        if file.metadata()?.len() != SIZE as u64 {
            return Err(format!("{} is no ring of version 1", path.display()).into());
        }
        let ring = map(&file).map_err(|error| match error.raw_os_error() {
            Some(ENODEV) => format!(
                "{} cannot be mapped: its mount is in direct mode (see shmfs(1)); \
                 read and write it, as ring.pl does",
                path.display()
            ),
            _ => format!("{}: {error}", path.display()),
        })?;
        match ring.version.0.compare_exchange(0, 1, AcqRel, Acquire) {
            Ok(_) | Err(1) => Ok(ring),
            Err(_) => Err(format!("{} is no ring of version 1", path.display()).into()),
        }
    }

    fn send(&self, text: &[u8]) {
        // Others can store at any time what is no slot: the remainder always is one.
        let head = self.head.0.load(Relaxed) % SLOTS;
        let next = (head + 1) % SLOTS;
        // Full. Acquire: what the receiver has read of a slot it has read by now.
        while self.tail.0.load(Acquire) == next {
            nap();
        }
        // Until head says otherwise, the slot is ours alone.
        let slot = unsafe { &mut *self.slots.0[head as usize].get() };
        slot.length = text.len() as u32;
        slot.text[..text.len()].copy_from_slice(text);
        // Release: who sees the new head sees the text, too.
        self.head.0.store(next, Release);
    }

    fn receive(&self) -> Vec<u8> {
        let tail = self.tail.0.load(Relaxed) % SLOTS;
        while self.head.0.load(Acquire) == tail {
            nap();
        }
        let slot = unsafe { &*self.slots.0[tail as usize].get() };
        let length = (slot.length as usize).min(TEXT_MAX);
        let text = slot.text[..length].to_vec();
        self.tail.0.store((tail + 1) % SLOTS, Release);
        text
    }
}

fn run(verb: &str, path: &Path, words: &[&[u8]]) -> Result<(), Box<dyn Error>> {
    if words.iter().any(|text| text.len() > TEXT_MAX) {
        return Err("a text has at most 252 bytes".into());
    }
    let ring = Ring::open(path)?;
    if verb == "send" {
        words.iter().for_each(|text| ring.send(text));
        return Ok(());
    }
    for _ in 0..std::str::from_utf8(words[0])?.parse::<usize>()? {
        let mut line = ring.receive();
        line.push(b'\n');
        io::stdout().write_all(&line)?;
    }
    Ok(())
}

fn main() {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let words: Vec<_> = args.iter().skip(2).map(|word| word.as_bytes()).collect();
    let verb = args.first().and_then(|word| word.to_str()).unwrap_or("");
    match (verb, words.len()) {
        ("send", 1..) | ("receive", 1) => {}
        _ => {
            eprintln!("usage: ring send FILE TEXT... | ring receive FILE COUNT");
            process::exit(2);
        }
    }
    if let Err(error) = run(verb, Path::new(&args[1]), &words) {
        eprintln!("ring: {error}");
        process::exit(1);
    }
}

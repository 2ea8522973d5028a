//! Owns the handler of SIGBUS, which the system sends for a mapped page that its file no longer has.
//! Uses a fixed table of mapped ranges, so that the handler neither locks nor allocates.
//! Never swallows a signal that is not about one of these ranges: the handler before it gets that.
#![expect(unsafe_code, reason = "signals and maps are the system's own interface")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Ranges at most. A model is one to a few files; snapshots of prefixes are capped by number well below.
const RANGES: usize = 1024;

/// The start of a range that somebody is setting up, or nobody has.
const FREE: usize = 0;
const TAKEN: usize = 1;

struct Range {
    /// [`FREE`], [`TAKEN`], or the address; written last.
    start: AtomicUsize,
    end: AtomicUsize,
    torn: AtomicBool,
}

static TABLE: [Range; RANGES] = [const {
    Range { start: AtomicUsize::new(FREE), end: AtomicUsize::new(0), torn: AtomicBool::new(false) }
}; RANGES];

/// Bytes of a page, set before the handler is.
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(4096);

/// What was there before; `None` when the system refused to take our handler.
static PREVIOUS: OnceLock<Option<libc::sigaction>> = OnceLock::new();

/// A mapped range that the handler knows. Drop it before the range is unmapped.
#[derive(Debug)]
pub(super) struct Watched {
    slot: usize,
}

impl Watched {
    /// Watch `len` bytes from the address `start`, which are mapped.
    pub(super) fn new(start: usize, len: usize) -> io::Result<Self> {
        if PREVIOUS.get_or_init(install).is_none() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        for (slot, range) in TABLE.iter().enumerate() {
            if range.start.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                range.torn.store(false, Ordering::Relaxed);
                range.end.store(start + len, Ordering::Relaxed);
                range.start.store(start, Ordering::Release);
                return Ok(Self { slot });
            }
        }
        Err(io::Error::other("too many files are mapped"))
    }

    /// Whether a page of the range was missing when it was read.
    pub(super) fn torn(&self) -> bool {
        TABLE[self.slot].torn.load(Ordering::Acquire)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        TABLE[self.slot].start.store(FREE, Ordering::Release);
    }
}

/// Take the signal over, and give what had it before.
fn install() -> Option<libc::sigaction> {
    // SAFETY: a plain question.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE_BYTES.store(usize::try_from(page).ok().filter(|page| page.is_power_of_two())?, Ordering::Relaxed);
    let mut previous = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: all zeros is a valid `sigaction`; the handler has the signature that SA_SIGINFO asks for and does only
    // what a handler may; `previous` has room for the answer, and is read only when the system has written it.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handle as extern "C" fn(_, _, _) as usize;
        // On the alternate stack, as the runtime's own handlers are.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        (libc::sigaction(libc::SIGBUS, &raw const action, previous.as_mut_ptr()) == 0)
            .then(|| previous.assume_init())
    }
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system passes a valid `siginfo_t` to a handler with SA_SIGINFO; for SIGBUS it holds an address.
    let (address, code) = unsafe { ((*info).si_addr() as usize, (*info).si_code) };
    // A positive code means that the system itself found a fault; a signal sent by a process has no address.
    if !(code > 0 && mend(address)) {
        pass_on(signal, info, context);
    }
}

/// Put zeros where the file has nothing any more, if the address is in a range of ours.
fn mend(address: usize) -> bool {
    for range in &TABLE {
        let start = range.start.load(Ordering::Acquire);
        let end = range.end.load(Ordering::Relaxed);
        if start <= TAKEN || !(start..end).contains(&address) {
            continue;
        }
        range.torn.store(true, Ordering::Release);
        // From the missing page to the end of the range: what is behind it is missing too, and one call for each
        // page could use up the number of maps that a process may have.
        let page = address & !(PAGE_BYTES.load(Ordering::Relaxed) - 1);
        // SAFETY: the pages are of a range that its owner has mapped and, since it is reading, has not unmapped. Only
        // readable zeros take their place, and `munmap` of the whole range later takes these too.
        let zeros = unsafe {
            libc::mmap(
                ptr::with_exposed_provenance_mut(page),
                end - page,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        return zeros != libc::MAP_FAILED;
    }
    false
}

/// Do what would have been done without us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.get().and_then(Option::as_ref);
    let (handler, flags) =
        previous.map_or((libc::SIG_DFL, 0), |previous| (previous.sa_sigaction, previous.sa_flags));
    // SAFETY: `handler` is what the system gave back as the handler in force before, with the signature that its flags
    // tell; and restoring the default and raising are among what a handler may do.
    unsafe {
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            // A fault cannot be ignored: the system ends a process that tries.
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
            libc::raise(signal);
        } else if flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(handler);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
            handler(signal);
        }
    }
}

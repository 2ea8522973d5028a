//! Owns giving memory back to the system.
//! Uses the C library's allocator, where it is glibc's.
//! Never changes what is allocated.

/// Give back what was freed: after work on many threads, such as reading a tree, glibc keeps what each of them used. Takes
/// some milliseconds; does nothing elsewhere.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back() {
    #[expect(unsafe_code, reason = "the allocator of the C library has no other face")]
    // SAFETY: it takes a number, locks what it walks, and touches only what nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}

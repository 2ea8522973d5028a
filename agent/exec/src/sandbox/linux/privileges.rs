//! Owns what the command may not become: capabilities, new privileges, limits.
//! Uses rustix.
//! Never leaves a capability, in whichever set.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::Failure;

/// One file of a command may grow to this: more than a build writes, less than a disk.
const LARGEST_FILE: u64 = 32 << 30;
/// Processes and threads of the user inside: a parallel build has hundreds, a fork bomb as many as it gets.
pub(super) const MOST_PROCESSES: u64 = 8192;

/// No core files, no endless file.
pub(super) fn limit() -> Result<(), Failure> {
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, LARGEST_FILE)
}

/// Bound how many processes there are. Only inside a user namespace of its own: elsewhere the user's other programs count.
pub(super) fn limit_processes() -> Result<(), Failure> {
    lower(Resource::Nproc, MOST_PROCESSES)
}

fn lower(resource: Resource, to: u64) -> Result<(), Failure> {
    let now = getrlimit(resource);
    let to = now.maximum.map_or(to, |maximum| maximum.min(to));
    setrlimit(resource, Rlimit { current: Some(to), maximum: Some(to) })
        .map_err(Failure::at("limiting resources"))
}

/// Programs that would run as another user run as this one.
pub(super) fn forbid_new() -> Result<(), Failure> {
    rustix::thread::set_no_new_privs(true).map_err(Failure::at("forbidding new privileges"))
}

/// Drop every capability from every set, also those that a program started by root would get back.
pub(super) fn drop_all() -> Result<(), Failure> {
    let failed = |error| Failure::at("dropping capabilities")(error);
    let now = rustix::thread::capabilities(None).map_err(failed)?;
    if now.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..64 {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            match rustix::thread::remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                // The first number that this kernel does not know.
                Err(rustix::io::Errno::INVAL) if bit > 0 => break,
                Err(error) => return Err(failed(error)),
            }
        }
        let bits = CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
        rustix::thread::set_capabilities_secure_bits(bits).map_err(failed)?;
    } else if !now.permitted.is_empty() && rustix::process::geteuid().is_root() {
        // Root without the right to give up rights would get the rest of them back at the next program.
        return Err(Failure("root has capabilities that cannot be dropped for good".to_owned()));
    }
    rustix::thread::clear_ambient_capability_set().map_err(failed)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(failed)
}

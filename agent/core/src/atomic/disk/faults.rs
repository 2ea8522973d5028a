//! Owns the failing disk of the tests: the n-th call from now on fails.
//! Uses a plan per thread, so that tests do not disturb each other.
//! Never exists outside tests.

use std::cell::RefCell;
use std::io;

#[derive(Debug, Clone)]
struct Plan {
    /// Calls until the first failure.
    left: usize,
    /// How many fail from then on.
    fails: usize,
    errno: i32,
    short: bool,
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
    static CALLS: RefCell<usize> = const { RefCell::new(0) };
}

/// Let the call after `after` others fail, and `fails - 1` more.
pub(crate) fn arm(after: usize, fails: usize, errno: i32, short: bool) {
    PLAN.with_borrow_mut(|plan| *plan = Some(Plan { left: after, fails, errno, short }));
}

/// No more failures. Says whether there was one.
pub(crate) fn disarm() -> bool {
    PLAN.with_borrow_mut(Option::take).is_some_and(|plan| plan.left == 0)
}

/// Calls made since this was asked last.
pub(crate) fn calls() -> usize {
    CALLS.with_borrow_mut(std::mem::take)
}

fn next() -> Option<Plan> {
    CALLS.with_borrow_mut(|calls| *calls += 1);
    PLAN.with_borrow_mut(|plan| {
        let armed = plan.as_mut()?;
        if armed.left > 0 {
            armed.left -= 1;
            if armed.left > 0 {
                return None;
            }
        }
        if armed.fails == 0 {
            return None;
        }
        armed.fails -= 1;
        Some(armed.clone())
    })
}

pub(super) fn point() -> io::Result<()> {
    match next() {
        Some(plan) => Err(io::Error::from_raw_os_error(plan.errno)),
        None => Ok(()),
    }
}

pub(super) fn write_fault() -> Option<(io::Error, bool)> {
    next().map(|plan| (io::Error::from_raw_os_error(plan.errno), plan.short))
}

/// Take the plan away for a while.
pub(crate) fn pause() -> Paused {
    Paused(PLAN.with_borrow_mut(Option::take), CALLS.with_borrow(|calls| *calls))
}

/// Put it back; calls in between do not count.
pub(crate) fn resume(paused: Paused) {
    PLAN.with_borrow_mut(|plan| *plan = paused.0);
    CALLS.with_borrow_mut(|calls| *calls = paused.1);
}

/// A plan that waits.
#[derive(Debug)]
pub(crate) struct Paused(Option<Plan>, usize);

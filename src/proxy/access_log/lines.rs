//! From the workers to the output: in batches, and never at a worker's expense.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// The thread that writes what workers hand over.
#[derive(Debug)]
pub(in crate::proxy) struct Writer {
    batches: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes to `output`.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(in crate::proxy) fn start(output: Box<dyn Write + Send>) -> io::Result<Self> {
        let (batches, arriving) = sync_channel(MOST_BATCHES);
        let thread =
            std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write(arriving, output))?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// The lines of one worker.
    pub(in crate::proxy) fn lines(&self) -> Lines {
        Lines { buffer: RefCell::default(), lost: Cell::new(0), batches: self.batches.clone() }
    }
}

impl Drop for Writer {
    /// Waits until everything is written that workers have handed over. They must have ended.
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(batches: Receiver<Vec<u8>>, mut output: Box<dyn Write + Send>) {
    for batch in batches {
        // A closed output is no reason to stop serving; there is nobody to tell either.
        let _ = output.write_all(&batch).and_then(|()| output.flush());
    }
}

/// A worker's lines that have not been handed over yet.
#[derive(Debug)]
pub(in crate::proxy) struct Lines {
    buffer: RefCell<Vec<u8>>,
    lost: Cell<usize>,
    batches: Option<SyncSender<Vec<u8>>>,
}

impl Lines {
    /// Adds what `render` writes, which must end its line.
    pub(in crate::proxy) fn write(&self, render: impl FnOnce(&mut Vec<u8>)) {
        let mut buffer = self.buffer.borrow_mut();
        render(&mut buffer);
        let full = buffer.len() >= BATCH;
        drop(buffer);
        if full {
            self.flush();
        }
    }

    /// Hands over what there is. An output that does not keep up costs lines, which are counted, never requests.
    pub(in crate::proxy) fn flush(&self) {
        let Some(batches) = &self.batches else { return };
        if self.buffer.borrow().is_empty() {
            return;
        }
        match batches.try_send(self.buffer.take()) {
            Ok(()) => {
                let lost = self.lost.take();
                if lost > 0 {
                    tracing::warn!(lost, "standard output was too slow for the access log: lines are missing");
                }
            }
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                self.lost.set(self.lost.get() + batch.iter().filter(|&&byte| byte == b'\n').count());
            }
        }
    }
}

/// Bytes that a worker gathers before it hands them over ahead of time.
const BATCH: usize = 16 * 1024;

/// Batches that may wait for a slow output: about 1 MiB.
const MOST_BATCHES: usize = 64;

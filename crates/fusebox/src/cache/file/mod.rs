//! A level that outlives the process, in a file.
//!
//! One thread has the file open, and reads and writes it. Nobody waits for it: a disk that hangs is a level that is slow. A
//! file that is corrupt is set aside and begun anew; one that is not ours is left alone.

mod desk;
mod open;

use super::second::{LevelError, Place, SecondLevel, Work, Write};
use desk::Desk;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// What may wait for the file. A level asks for no more at once.
const WAITING: usize = 2_048;

/// Entries in a file: a SQLite database of its own. A cheap handle: clones share the thread.
#[derive(Clone)]
pub struct CacheFile {
    path: PathBuf,
    orders: SyncSender<Order>,
}

type Reply<T> = oneshot::Sender<Result<T, LevelError>>;

enum Order {
    Get(Place, usize, Reply<Option<Vec<u8>>>),
    Apply(Vec<Write>, Reply<()>),
}

impl fmt::Debug for CacheFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl CacheFile {
    /// Room for entries of `max_bytes` in the file at `path`, which is opened when it is needed, and made where there is
    /// none. Those written first make room.
    ///
    /// # Errors
    ///
    /// Where the system has no thread to give.
    pub fn at(path: impl Into<PathBuf>, max_bytes: u64) -> io::Result<Self> {
        let path = path.into();
        let (orders, waiting) = sync_channel(WAITING);
        let place = path.clone();
        let run = move || serve(&waiting, &place, max_bytes);
        std::thread::Builder::new().name("fusebox-cache-file".into()).spawn(run)?;
        Ok(CacheFile { path, orders })
    }

    fn order<T: Send + 'static>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Work<'static, T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.orders.try_send(order(reply)).is_ok();
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) if sent => Err(LevelError::Unavailable("its thread is gone".into())),
                Err(_) => Err(LevelError::Unavailable("too much waits for the file".into())),
            }
        })
    }
}

impl SecondLevel for CacheFile {
    fn get<'a>(&'a self, place: &'a Place, most: usize) -> Work<'a, Option<Vec<u8>>> {
        self.order(|reply| Order::Get(place.clone(), most, reply))
    }

    fn apply(&self, writes: Vec<Write>) -> Work<'_, ()> {
        self.order(|reply| Order::Apply(writes, reply))
    }
}

fn serve(waiting: &Receiver<Order>, path: &Path, max_bytes: u64) {
    let mut desk: Option<Desk> = None;
    for order in waiting {
        match order {
            // Nobody waits for it any more.
            Order::Get(_, _, reply) if reply.is_closed() => {}
            Order::Get(place, most, reply) => {
                let found = at(&mut desk, path, max_bytes, |desk| desk.get(&place, most));
                drop(reply.send(found));
            }
            Order::Apply(writes, reply) => {
                let done = at(&mut desk, path, max_bytes, |desk| desk.apply(&writes));
                drop(reply.send(done));
            }
        }
    }
}

/// Does it at the desk, opened first if need be. A fault closes the file; what is corrupt is set aside.
fn at<T>(
    desk: &mut Option<Desk>,
    path: &Path,
    max_bytes: u64,
    work: impl FnOnce(&mut Desk) -> rusqlite::Result<T>,
) -> Result<T, LevelError> {
    if desk.is_none() {
        *desk = Some(open::open(path, max_bytes)?);
    }
    let Some(open) = desk else { return Err(LevelError::Garbled) };
    work(open).map_err(|error| {
        *desk = None;
        open::fault(path, &error)
    })
}

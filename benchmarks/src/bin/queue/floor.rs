//! What a commit cannot go below: one small write that is on the drive.

use fusebox_benchmarks::stats::Spread;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

/// Microseconds of a write of 600 bytes at the end of a file and its `fdatasync`.
pub(crate) fn measure(folder: &Path, times: usize) -> io::Result<Spread> {
    let mut file = File::create(folder.join("floor"))?;
    let mut micros = Vec::with_capacity(times);
    for _ in 0..times {
        let begin = Instant::now();
        file.write_all(&[b'x'; 600])?;
        file.sync_data()?;
        micros.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Spread::of(&micros).ok_or_else(|| io::Error::other("nothing was written"))
}

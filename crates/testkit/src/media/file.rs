use std::{
    fs::File,
    io::{self, BufWriter, Read},
    path::Path,
};

use super::MediaError;

/// The largest file that is read, so that a path like `/dev/zero` ends in an error: 256 MiB, an hour of video.
const MAX_FILE_LEN: u64 = 256 << 20;

/// Reads a file whole.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes))
        .map_err(at(path))?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(MediaError::TooLarge { limit: MAX_FILE_LEN });
    }
    Ok(bytes)
}

/// Creates a file, or empties it.
pub(super) fn create(path: &Path) -> Result<BufWriter<File>, MediaError> {
    File::create(path).map(BufWriter::new).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> MediaError {
    |cause| MediaError::File { path: path.to_owned(), cause }
}

//! Owns the picture on the clipboard: read, made small enough for a model, written to a file.
//! Uses arboard for the clipboard and png for the file.
//! Never keeps such a file longer than a day: what was sent is kept by the session.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use arboard::{Clipboard, ImageData};
use loci_core::atomic;

use crate::project::Project;

/// Models look at some 1,500 pixels across; what is larger is made smaller by whole factors.
const ACROSS: usize = 1_568;
/// Bytes of a picture before it is made smaller: a screen of 16,000 by 8,000.
const LARGEST: usize = 512 << 20;
/// A picture that was never sent is of no use after this.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Write the picture of the clipboard to a file.
pub(super) fn of_clipboard(project: &Project) -> Result<PathBuf, String> {
    let none = |error: arboard::Error| match error {
        arboard::Error::ContentNotAvailable => "there is no picture on the clipboard".to_owned(),
        other => format!("the clipboard cannot be read here ({other}); name a file with @ instead"),
    };
    let mut clipboard = Clipboard::new().map_err(none)?;
    let image = clipboard.get_image().map_err(none)?;
    write(&image, &project.places.state.join("pasted"))
}

fn write(image: &ImageData<'_>, folder: &Path) -> Result<PathBuf, String> {
    let size = image.width.checked_mul(image.height).and_then(|pixels| pixels.checked_mul(4));
    if size != Some(image.bytes.len()) || image.bytes.is_empty() || image.bytes.len() > LARGEST {
        return Err("the picture on the clipboard is damaged, or too large".to_owned());
    }
    let bytes =
        encoded(&smaller(image)).map_err(|error| format!("the picture cannot be written: {error}"))?;
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    remove_old(folder);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let path = folder.join(format!("{now}.png"));
    atomic::write_private(&path, &bytes).map_err(failed)?;
    Ok(path)
}

/// The same picture with its longer side within bounds: each pixel is the mean of those that it stands for.
fn smaller<'a>(image: &'a ImageData<'_>) -> ImageData<'a> {
    let factor = image.width.max(image.height).div_ceil(ACROSS);
    if factor <= 1 {
        return ImageData { width: image.width, height: image.height, bytes: Cow::Borrowed(&image.bytes) };
    }
    let (width, height) = (image.width.div_ceil(factor), image.height.div_ceil(factor));
    let mut bytes = Vec::with_capacity(width * height * 4);
    for y in 0..height {
        for x in 0..width {
            let (mut sums, mut count) = ([0_u32; 4], 0_u32);
            for row in (y * factor)..((y + 1) * factor).min(image.height) {
                for column in (x * factor)..((x + 1) * factor).min(image.width) {
                    let at = (row * image.width + column) * 4;
                    for (sum, byte) in sums.iter_mut().zip(&image.bytes[at..at + 4]) {
                        *sum += u32::from(*byte);
                    }
                    count += 1;
                }
            }
            bytes.extend(sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)));
        }
    }
    ImageData { width, height, bytes: bytes.into() }
}

fn encoded(image: &ImageData<'_>) -> Result<Vec<u8>, png::EncodingError> {
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(image.width), side(image.height));
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.bytes)?;
    writer.finish()?;
    Ok(bytes)
}

fn remove_old(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        // A clock that was set back makes a file look new: it goes a day later.
        if modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > KEPT)) {
            let _ = atomic::remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: usize, height: usize) -> ImageData<'static> {
        let pixel = |at: usize| [u8::try_from(at % 251).unwrap_or(0), 0, 100, 255];
        let bytes: Vec<u8> = (0..width * height).flat_map(pixel).collect();
        ImageData { width, height, bytes: bytes.into() }
    }

    fn decoded(path: &Path) -> (u32, u32, Vec<u8>) {
        let file = std::io::BufReader::new(std::fs::File::open(path).expect("there"));
        let mut reader = png::Decoder::new(file).read_info().expect("a picture");
        let mut bytes = vec![0; reader.output_buffer_size().expect("of a size")];
        let info = reader.next_frame(&mut bytes).expect("whole");
        (info.width, info.height, bytes)
    }

    #[test]
    fn a_picture_is_written_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = image(7, 5);
        let path = write(&image, &folder.path().join("pasted")).expect("written");
        assert_eq!(decoded(&path), (7, 5, image.bytes.to_vec()));
        assert!(loci_core::session::pictures::read(&path).is_ok(), "a session takes it");
    }

    #[test]
    fn a_large_one_is_made_smaller() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = write(&image(ACROSS * 2 + 1, 10), folder.path()).expect("written");
        let (width, height, bytes) = decoded(&path);
        assert_eq!((width, height), (1_046, 4));
        assert_eq!(&bytes[1..4], [0, 100, 255]);
    }

    #[test]
    fn a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for (width, height, length) in [(2, 2, 15), (0, 0, 0), (usize::MAX, 2, 8)] {
            let image = ImageData { width, height, bytes: vec![0; length].into() };
            assert!(write(&image, folder.path()).is_err(), "{width} x {height}");
        }
        assert!(write(&image(2, 2), folder.path()).is_ok());
    }
}

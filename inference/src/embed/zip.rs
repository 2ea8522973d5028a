//! Owns reading zip files, which is what Python wheels are: the directory at the end, stored and deflated members.
//! Uses nothing; the formats are PKWARE's APPNOTE and RFC 1951.
//! Never trusts a length: every read is bounded, and what comes out is checked by its CRC.

use super::EmbedError;

/// A zip file in memory.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    name: &'a str,
    method: u16,
    crc: u32,
    packed: usize,
    size: usize,
    header: usize,
}

fn damaged(what: &str) -> EmbedError {
    EmbedError::Damaged { what: format!("the archive: {what}") }
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

impl<'a> Archive<'a> {
    /// Read the directory.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, EmbedError> {
        // The end record is 22 bytes and a comment.
        let first = bytes.len().saturating_sub(22 + 0xffff);
        let end =
            (first..bytes.len().saturating_sub(21)).rev().find(|&at| bytes[at..].starts_with(b"PK\x05\x06"));
        let end = end.ok_or_else(|| damaged("it has no directory"))?;
        let directory = || {
            let (count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
            let mut members = Vec::new();
            for _ in 0..count {
                let head = bytes.get(at..)?;
                if !head.starts_with(b"PK\x01\x02") {
                    return None;
                }
                let (name, extra, comment) =
                    (number(head, 28, 2)?, number(head, 30, 2)?, number(head, 32, 2)?);
                members.push(Member {
                    name: std::str::from_utf8(head.get(46..46 + name)?).ok()?,
                    method: u16::try_from(number(head, 10, 2)?).ok()?,
                    crc: u32::try_from(number(head, 16, 4)?).ok()?,
                    packed: number(head, 20, 4)?,
                    size: number(head, 24, 4)?,
                    header: number(head, 42, 4)?,
                });
                at += 46 + name + extra + comment;
            }
            Some(members)
        };
        Ok(Self { bytes, members: directory().ok_or_else(|| damaged("its directory is cut off"))? })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().map(|member| member.name)
    }

    /// A member's content; `None` when there is none of that name.
    pub(super) fn file(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, EmbedError> {
        let Some(member) = self.members.iter().find(|member| member.name == name) else { return Ok(None) };
        if member.size as u64 > most {
            return Err(damaged("a file in it is too large"));
        }
        let packed = || {
            let head = self.bytes.get(member.header..)?;
            let start = 30 + number(head, 26, 2)? + number(head, 28, 2)?;
            head.starts_with(b"PK\x03\x04").then_some(())?;
            head.get(start..start.checked_add(member.packed)?)
        };
        let packed = packed().ok_or_else(|| damaged("a file in it is cut off"))?;
        let content = match member.method {
            0 => Some(packed.to_vec()),
            8 => inflate(packed, member.size),
            _ => None,
        };
        let sound = content.filter(|content| content.len() == member.size && crc32(content) == member.crc);
        sound.map(Some).ok_or_else(|| damaged("a file in it does not come out as it went in"))
    }
}

/// The CRC of ISO 3309, as zip has it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (number, entry) in (0u32..).zip(&mut table) {
        *entry = (0..8).fold(number, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 });
    }
    !bytes.iter().fold(u32::MAX, |crc, byte| crc >> 8 ^ table[usize::from((crc as u8) ^ byte)])
}

/// RFC 1951. `None` for what is not such a stream, or is longer than `size`.
fn inflate(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes, at: 0, held: 0, count: 0 };
    let mut out = Vec::with_capacity(size.min(1 << 28));
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                bits.align();
                let length = bits.take(16)?;
                if bits.take(16)? != !length & 0xffff || out.len() + length as usize > size {
                    return None;
                }
                for _ in 0..length {
                    out.push(u8::try_from(bits.take(8)?).ok()?);
                }
            }
            kind @ (1 | 2) => {
                let (literals, distances) = if kind == 1 { fixed()? } else { dynamic(&mut bits)? };
                block(&mut bits, &literals, &distances, size, &mut out)?;
            }
            _ => return None,
        }
        if last {
            return Some(out);
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(byte) = self.bytes.get(self.at) else { return };
            self.held |= u64::from(*byte) << self.count;
            (self.at, self.count) = (self.at + 1, self.count + 8);
        }
    }

    fn take(&mut self, width: u32) -> Option<u32> {
        self.fill();
        let value = self.held & ((1 << width) - 1);
        self.count = self.count.checked_sub(width)?;
        self.held >>= width;
        u32::try_from(value).ok()
    }

    fn align(&mut self) {
        let rest = self.count % 8;
        (self.held, self.count) = (self.held >> rest, self.count - rest);
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        self.fill();
        let mask = code.table.len() as u64 - 1;
        let entry = *code.table.get(usize::try_from(self.held & mask).ok()?)?;
        let length = u32::from(entry & 15);
        self.count = self.count.checked_sub(length).filter(|_| length > 0)?;
        self.held >>= length;
        Some(usize::from(entry >> 4))
    }
}

/// A Huffman code: for each run of bits the symbol it begins with, times 16, plus the symbol's length in bits.
struct Code {
    table: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Option<Self> {
        let width = lengths.iter().copied().max().filter(|width| (1..=15).contains(width))?;
        let mut table = vec![0; 1 << width];
        let (mut next, mut used) = (0usize, 0usize);
        for length in 1..=width {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, known)| **known == length) {
                used += 1 << (width - length);
                if used > table.len() {
                    return None;
                }
                // Codes come with their first bit lowest.
                let reversed = next.reverse_bits() >> (usize::BITS - u32::from(length));
                let entry = u16::try_from(symbol << 4 | usize::from(length)).ok()?;
                for at in (reversed..table.len()).step_by(1 << length) {
                    table[at] = entry;
                }
                next += 1;
            }
            next <<= 1;
        }
        Some(Self { table })
    }
}

fn fixed() -> Option<(Code, Code)> {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Some((Code::new(&lengths)?, Code::new(&[5; 30])?))
}

fn dynamic(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let given = bits.take(4)? as usize + 4;
    let mut lengths = [0; 19];
    for &place in &ORDER[..given] {
        lengths[place] = u8::try_from(bits.take(3)?).ok()?;
    }
    let code = Code::new(&lengths)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        let (value, times) = match bits.symbol(&code)? {
            symbol @ 0..=15 => (u8::try_from(symbol).ok()?, 1),
            16 => (*lengths.last()?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            _ => (0, bits.take(7)? + 11),
        };
        lengths.extend((0..times).map(|_| value));
    }
    let (first, second) = lengths.get(..literals + distances)?.split_at(literals);
    // A block of literals alone has no code of distances.
    let none = || Some(Code { table: vec![0] });
    Some((
        Code::new(first)?,
        Code::new(second).or_else(|| if second.iter().all(|length| *length == 0) { none() } else { None })?,
    ))
}

fn block(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    size: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    const LENGTHS: [(u16, u8); 29] = [
        (3, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (8, 0),
        (9, 0),
        (10, 0),
        (11, 1),
        (13, 1),
        (15, 1),
        (17, 1),
        (19, 2),
        (23, 2),
        (27, 2),
        (31, 2),
        (35, 3),
        (43, 3),
        (51, 3),
        (59, 3),
        (67, 4),
        (83, 4),
        (99, 4),
        (115, 4),
        (131, 5),
        (163, 5),
        (195, 5),
        (227, 5),
        (258, 0),
    ];
    const DISTANCES: [(u16, u8); 30] = [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
        (5, 1),
        (7, 1),
        (9, 2),
        (13, 2),
        (17, 3),
        (25, 3),
        (33, 4),
        (49, 4),
        (65, 5),
        (97, 5),
        (129, 6),
        (193, 6),
        (257, 7),
        (385, 7),
        (513, 8),
        (769, 8),
        (1025, 9),
        (1537, 9),
        (2049, 10),
        (3073, 10),
        (4097, 11),
        (6145, 11),
        (8193, 12),
        (12289, 12),
        (16385, 13),
        (24577, 13),
    ];
    let read = |bits: &mut Bits<'_>, (base, extra): (u16, u8)| {
        Some(usize::from(base) + bits.take(u32::from(extra))? as usize)
    };
    loop {
        match bits.symbol(literals)? {
            literal @ 0..=255 => {
                if out.len() == size {
                    return None;
                }
                out.push(u8::try_from(literal).ok()?);
            }
            256 => return Some(()),
            symbol => {
                let length = read(bits, *LENGTHS.get(symbol - 257)?)?;
                let symbol = bits.symbol(distances)?;
                let distance = read(bits, *DISTANCES.get(symbol)?)?;
                let from = out.len().checked_sub(distance)?;
                if out.len() + length > size {
                    return None;
                }
                for at in from..from + length {
                    out.push(out[at]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's `zipfile`: `a.txt` stored, `b/c.txt` of a repeated text deflated with codes of its own, `d` with fixed ones.
    const ARCHIVE: &[u8] = include_bytes!("sample.zip");

    fn text() -> Vec<u8> {
        (0..3000u32)
            .flat_map(|number| format!("{} {};", number * number % 977, number % 13).into_bytes())
            .collect()
    }

    #[test]
    fn members_come_out_as_they_went_in() {
        let archive = Archive::read(ARCHIVE).expect("archive");
        assert_eq!(archive.names().collect::<Vec<_>>(), ["a.txt", "b/c.txt", "d"]);
        let file = |name: &str| archive.file(name, 1 << 20).expect("sound");
        assert_eq!(file("a.txt").as_deref(), Some(&b"stored as it is"[..]));
        assert_eq!(file("b/c.txt"), Some(text()));
        assert_eq!(file("d").as_deref(), Some(&b"aaaaaaaaaaaaaaaaaaaab"[..]));
        assert_eq!(file("e"), None);
        assert!(archive.file("b/c.txt", 100).is_err(), "larger than asked for");
    }

    #[test]
    fn no_damage_comes_out() {
        let sound: Vec<_> = ["a.txt", "b/c.txt", "d"]
            .map(|name| Archive::read(ARCHIVE).expect("archive").file(name, 1 << 20).expect("sound"))
            .to_vec();
        for at in 0..ARCHIVE.len() {
            let mut damaged = ARCHIVE.to_vec();
            damaged[at] ^= 0x55;
            for (name, expect) in ["a.txt", "b/c.txt", "d"].iter().zip(&sound) {
                if let Ok(archive) = Archive::read(&damaged)
                    && let Ok(Some(content)) = archive.file(name, 1 << 20)
                {
                    assert_eq!(Some(&content), expect.as_ref(), "byte {at} of {name}");
                }
            }
            drop(Archive::read(&ARCHIVE[..at]).map(|archive| archive.file("a.txt", 99)));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(0u8.., 0..400)) {
            drop(inflate(&bytes, 10_000));
            drop(Archive::read(&bytes).map(|archive| archive.names().count()));
        }
    }
}

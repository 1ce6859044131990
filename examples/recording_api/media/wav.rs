//! Generated audio: a tone, computed when it is asked for.

use std::{iter, ops::Range};

const HEADER_SIZE: u64 = 44;
const SAMPLES_PER_SECOND: u32 = 8_000;
const BYTES_PER_SECOND: u32 = 2 * SAMPLES_PER_SECOND;
const CHUNK: u64 = 16 * 1024;

/// One period of a sine of 400 Hz.
const TONE: [i16; 20] = [
    0, 2472, 4702, 6472, 7608, 8000, 7608, 6472, 4702, 2472, 0, -2472, -4702, -6472, -7608, -8000,
    -7608, -6472, -4702, -2472,
];

/// A WAV file of one tone: 8 kHz, 16 bits, one channel. Only its length is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wav {
    seconds: u32,
}

impl Wav {
    pub const fn of_seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    /// The size of the file, in bytes.
    pub fn size(self) -> u64 {
        HEADER_SIZE + u64::from(self.data_size())
    }

    fn data_size(self) -> u32 {
        self.seconds.saturating_mul(BYTES_PER_SECOND)
    }

    /// A range of the file, chunk by chunk.
    pub fn chunks(self, range: Range<u64>) -> impl Iterator<Item = Vec<u8>> {
        let Range { start, end } = range;
        iter::successors(Some(start), |start| Some(start + CHUNK))
            .take_while(move |start| *start < end)
            .map(move |start| self.bytes(start..end.min(start + CHUNK)))
    }

    fn bytes(self, range: Range<u64>) -> Vec<u8> {
        let header = self.header();
        let byte = |at: u64| match usize::try_from(at).ok().and_then(|at| header.get(at)) {
            Some(byte) => *byte,
            None => tone(at - HEADER_SIZE),
        };
        range.map(byte).collect()
    }

    /// RIFF, with one `fmt ` and one `data` chunk.
    fn header(self) -> Vec<u8> {
        [
            b"RIFF".as_slice(),
            &self.data_size().saturating_add(36).to_le_bytes(),
            b"WAVEfmt ",
            &16_u32.to_le_bytes(), // the size of this chunk
            &1_u16.to_le_bytes(),  // PCM
            &1_u16.to_le_bytes(),  // channels
            &SAMPLES_PER_SECOND.to_le_bytes(),
            &BYTES_PER_SECOND.to_le_bytes(),
            &2_u16.to_le_bytes(),  // bytes of a sample
            &16_u16.to_le_bytes(), // bits of a sample
            b"data",
            &self.data_size().to_le_bytes(),
        ]
        .concat()
    }
}

/// The byte at this place of the samples.
fn tone(at: u64) -> u8 {
    let [low, high] = TONE[(at / 2 % 20) as usize].to_le_bytes();
    if at % 2 == 0 { low } else { high }
}

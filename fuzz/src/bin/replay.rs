//! Random changes of a target's corpus, on stable: `replay TARGET EXECUTIONS SECONDS`, whichever is
//! over first. An input that fails is written to `target/fuzz-failure`.

#![expect(clippy::unwrap_used, reason = "a tool that cannot go on stops")]

use std::{
    env, fs,
    panic::catch_unwind,
    path::Path,
    process::exit,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tower_contract_fuzz::targets::{TARGETS, hush};

/// Longer inputs find nothing that shorter ones do not.
const MAX_LENGTH: usize = 16 * 1024;

/// A small generator (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One input of the corpus with up to eight changes.
fn changed(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let end = at + random.below(input.len() + 1 - at);
        match random.below(6) {
            0 => input.insert(at, random.byte()),
            1 => input.truncate(end),
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            4 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied());
            }
            _ => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.byte()),
        }
        input.truncate(MAX_LENGTH);
    }
    input
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, executions, seconds] = &arguments[..] else {
        eprintln!("usage: replay TARGET EXECUTIONS SECONDS");
        exit(2);
    };
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| known == name) else {
        eprintln!("no target {name:?}; there are {:?}", TARGETS.map(|(name, _)| name));
        exit(2);
    };
    hush();
    let (executions, seconds) = (executions.parse::<u64>().unwrap(), seconds.parse().unwrap());
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let mut random = Random(u64::try_from(seed).unwrap() | 1);
    let (corpus, begun) = (corpus(name), Instant::now());
    let mut done = 0;
    while done < executions && begun.elapsed() < Duration::from_secs(seconds) {
        let input = changed(&corpus, &mut random);
        if catch_unwind(|| target(&input)).is_err() {
            fs::create_dir_all("target").unwrap();
            fs::write("target/fuzz-failure", &input).unwrap();
            println!("{name}: failed after {done} executions: target/fuzz-failure");
            exit(1);
        }
        done += 1;
    }
    println!("{name}: {done} executions in {} s, no failure", begun.elapsed().as_secs());
}

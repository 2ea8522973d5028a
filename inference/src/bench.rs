//! Owns the measurement of a model's passes: prompts, generation, several sequences, behind contexts of any depth.
//! Uses the passes themselves with random tokens, without tokenizer, sampler, grammar or engine.
//! Never judges a figure, and never gives a rate that it did not time.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::engine::ModelSource;
use crate::gguf::{GgufError, Header, Source};
use crate::kv::{Budget, Sequence};
use crate::model::CHUNK;
use crate::model::config::Config;
use crate::model::pass::{Error, Outputs, Step};
use crate::model::runtime::{Load, Place, Runtime, default_threads};
use crate::provider::ProviderError;

/// What is measured, in the manner of llama.cpp's `llama-bench`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Lengths of prompts, in tokens.
    pub prompts: Vec<usize>,
    /// Lengths of answers, in tokens.
    pub answers: Vec<usize>,
    /// Tokens that stand before each prompt and answer.
    pub depths: Vec<usize>,
    /// How many answers are generated together.
    pub sequences: Vec<usize>,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Test {
    /// Tokens of the prompt; 0 where answers are measured.
    pub prompt: usize,
    /// Tokens of each answer; 0 where a prompt is measured.
    pub answer: usize,
    /// Tokens before them, whose computation is not timed.
    pub depth: usize,
    /// Sequences that are run together.
    pub sequences: usize,
}

impl Plan {
    /// Every test, in the order of the table: prompts, then answers, behind each depth.
    #[must_use]
    pub fn tests(&self) -> Vec<Test> {
        let mut tests = Vec::new();
        for &depth in &self.depths {
            for &prompt in self.prompts.iter().filter(|&&tokens| tokens > 0) {
                tests.push(Test { prompt, answer: 0, depth, sequences: 1 });
            }
            for &answer in self.answers.iter().filter(|&&tokens| tokens > 0) {
                for &sequences in &self.sequences {
                    tests.push(Test { prompt: 0, answer, depth, sequences });
                }
            }
        }
        tests
    }

    /// Tokens that the longest sequence has.
    fn context(&self) -> usize {
        self.tests().iter().map(Test::length).max().unwrap_or(0)
    }

    /// Tokens of all sequences of the largest test. What stands before them is kept once.
    fn tokens(&self) -> usize {
        let own =
            |test: &Test| (test.prompt + test.answer).next_multiple_of(crate::kv::PAGE) + crate::kv::PAGE;
        self.tests().iter().map(|test| test.depth + test.sequences * own(test)).max().unwrap_or(0)
    }
}

impl Test {
    /// Tokens in a sequence at the end.
    fn length(&self) -> usize {
        self.depth + self.prompt + self.answer
    }

    /// `pp512`, `tg64 @ d2048`, `tg64 x4`.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name =
            if self.prompt > 0 { format!("pp{}", self.prompt) } else { format!("tg{}", self.answer) };
        if self.sequences > 1 {
            name += &format!(" x{}", self.sequences);
        }
        if self.depth > 0 {
            name += &format!(" @ d{}", self.depth);
        }
        name
    }
}

/// What is known about the model and how it runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subject {
    /// `general.name`, or the file's name.
    pub name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// Bytes of the weights.
    pub bytes: u64,
    /// Weights.
    pub parameters: u64,
    /// Where it runs.
    pub device: String,
    /// The widest vector units that this machine has and the kernels use: `scalar`, `avx2`, `avx512`.
    pub units: String,
    /// Threads that compute.
    pub threads: usize,
}

/// The figures of one test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Its name, as [`Test::name`].
    pub name: String,
    /// What was run.
    #[serde(flatten)]
    pub test: Test,
    /// Tokens a second of each repetition, all sequences together.
    pub rates: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation; 0 for one repetition.
    pub deviation: f64,
    /// Their median.
    pub median: f64,
}

impl Figures {
    fn new(test: Test, rates: Vec<f64>) -> Self {
        let count = rates.len().max(1) as f64;
        let mean = rates.iter().sum::<f64>() / count;
        let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
        let deviation = if rates.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
        let mut sorted = rates.clone();
        sorted.sort_by(f64::total_cmp);
        let median = match sorted.len() {
            0 => 0.0,
            length if length % 2 == 1 => sorted[length / 2],
            length => sorted[length / 2 - 1].midpoint(sorted[length / 2]),
        };
        Self { name: test.name(), test, rates, mean, deviation, median }
    }
}

/// How a measurement is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Threads; those the engine takes when `None`.
    pub threads: Option<usize>,
    /// Times that each test is run and timed.
    pub repetitions: usize,
    /// Run the beginning of each test before it is timed. Without it the first figure has the reading of the file in it.
    pub warm_up: bool,
    /// Stay on the CPU even where the build knows an accelerator.
    pub cpu_only: bool,
    /// Bytes that weights, cache and buffers may take together; unlimited when `None`.
    pub memory_limit: Option<u64>,
}

/// A model that is loaded to be measured.
pub struct Bench {
    runtime: Runtime,
    settings: Settings,
    subject: Subject,
    vocab: usize,
    /// State of the random token ids.
    random: u64,
    /// The sequence of the last test's depth, which the next one may begin with.
    base: Sequence,
    logits: Vec<f32>,
}

impl Bench {
    /// Validate the file, check that the plan fits the model and the memory, and map the weights.
    ///
    /// # Errors
    /// [`ProviderError::Model`] when the file cannot be used or does not fit, [`ProviderError::ContextOverflow`]
    /// when a test is longer than the model's context.
    pub fn open(source: &ModelSource, plan: &Plan, settings: Settings) -> Result<Self, ProviderError> {
        let refused = |error: GgufError| ProviderError::Model { message: error.to_string() };
        let (source, file_name) = match source {
            ModelSource::Path(path) => {
                let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                (Source::open(path).map_err(refused)?, name.unwrap_or_default())
            }
            ModelSource::Static(bytes) => (Source::constant(bytes), "built-in".to_owned()),
        };
        let header = Header::read(&source).map_err(refused)?;
        let config = Config::read(&header).map_err(refused)?;
        let context = plan.context().max(1);
        if context > config.context {
            return Err(ProviderError::ContextOverflow { limit: config.context, needed: context });
        }
        let needed = crate::model::memory_bytes(&header, &config, plan.tokens());
        if let Some(limit) = settings.memory_limit.filter(|&limit| needed > limit) {
            let (needed, limit) = (needed >> 20, limit >> 20);
            let message = format!("this measurement needs {needed} MiB and {limit} MiB are free");
            return Err(ProviderError::Model { message });
        }
        let place = Place::choose(settings.cpu_only, &config);
        let threads = settings.threads.unwrap_or_else(default_threads);
        let name = header.string("general.name").map_err(refused)?;
        let subject = Subject {
            name: name.filter(|name| !name.trim().is_empty()).unwrap_or(&file_name).to_owned(),
            architecture: config.architecture.to_owned(),
            bytes: header.tensors().values().map(|info| info.bytes).sum(),
            parameters: header.tensors().values().map(|info| info.elements() as u64).sum(),
            device: place.name.clone(),
            units: format!("{:?}", loci_kernels::level::Level::best()).to_lowercase(),
            threads,
        };
        let vocab = config.vocab;
        let load = Load { source: &source, header: &header, config, place: &place, context, threads };
        let runtime = Runtime::load(load, &mut |_| true).map_err(failed)?;
        let base = Sequence::within(runtime.geometry(), &Arc::new(Budget::new(u64::MAX)));
        Ok(Self { runtime, settings, subject, vocab, random: SEED, base, logits: Vec::new() })
    }

    /// What is measured.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Run one test as often as the settings say. `cancelled` is asked several times in each layer.
    ///
    /// # Errors
    /// [`ProviderError::Cancelled`], or [`ProviderError::Model`] when the file changed or memory ran out.
    pub fn measure(&mut self, test: Test, cancelled: &dyn Fn() -> bool) -> Result<Figures, ProviderError> {
        self.measured(test, cancelled).map_err(failed)
    }

    /// The logits behind each of `tokens`, `[tokens, vocab]`, for a comparison with other programs.
    ///
    /// # Errors
    /// As [`Bench::measure`]; [`ProviderError::Rejected`] when an id is not of the vocabulary.
    pub fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, ProviderError> {
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= self.vocab) {
            let message = format!("{token} is not one of the {} tokens", self.vocab);
            return Err(ProviderError::Rejected { message });
        }
        let mut sequence = self.base.fork(0);
        let mut logits = Vec::new();
        let step = Step { sequence: &mut sequence, tokens, outputs: Outputs::All };
        self.runtime.forward(&mut [step], &mut logits, &|| false).map_err(failed)?;
        Ok(logits)
    }

    fn measured(&mut self, test: Test, cancelled: &dyn Fn() -> bool) -> Result<Figures, Error> {
        self.base.truncate(test.depth);
        let missing = self.tokens(test.depth - self.base.len());
        if !missing.is_empty() {
            let Self { runtime, base, logits, .. } = self;
            let step = Step { sequence: base, tokens: &missing, outputs: Outputs::None };
            runtime.forward(&mut [step], logits, cancelled)?;
        }
        if self.settings.warm_up {
            // Enough to touch every weight and every buffer.
            let short = Test { prompt: test.prompt.min(CHUNK), answer: test.answer.min(1), ..test };
            self.once(short, cancelled)?;
        }
        let mut rates = Vec::with_capacity(self.settings.repetitions);
        for _ in 0..self.settings.repetitions {
            rates.push(self.once(test, cancelled)?);
        }
        Ok(Figures::new(test, rates))
    }

    /// Tokens a second of one run.
    fn once(&mut self, test: Test, cancelled: &dyn Fn() -> bool) -> Result<f64, Error> {
        let mut sequences: Vec<_> = (0..test.sequences).map(|_| self.base.fork(test.depth)).collect();
        // What a step is given is drawn outside the time: an answer's next token would come from a sampler.
        let per_step = if test.prompt > 0 { test.prompt } else { test.sequences };
        let steps = if test.prompt > 0 { 1 } else { test.answer };
        let tokens = self.tokens(per_step * steps);
        let started = Instant::now();
        for tokens in tokens.chunks(per_step) {
            let each = tokens.chunks(per_step / test.sequences);
            let mut batch: Vec<_> = sequences
                .iter_mut()
                .zip(each)
                .map(|(sequence, tokens)| Step { sequence, tokens, outputs: Outputs::Last })
                .collect();
            self.runtime.forward(&mut batch, &mut self.logits, cancelled)?;
        }
        Ok(tokens.len() as f64 / started.elapsed().as_secs_f64())
    }

    /// Random ids, the same in every process (xorshift64*).
    fn tokens(&mut self, count: usize) -> Vec<u32> {
        let vocab = self.vocab as u64;
        let mut next = || {
            self.random ^= self.random >> 12;
            self.random ^= self.random << 25;
            self.random ^= self.random >> 27;
            ((self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % vocab) as u32
        };
        (0..count).map(|_| next()).collect()
    }
}

const SEED: u64 = 0x10c1;

fn failed(error: Error) -> ProviderError {
    match error {
        Error::Cancelled => ProviderError::Cancelled,
        error => ProviderError::Model { message: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

    use super::*;
    use crate::builtin;

    fn plan() -> Plan {
        Plan { prompts: vec![16, 0], answers: vec![2], depths: vec![0, 40], sequences: vec![1, 3] }
    }

    const SETTINGS: Settings =
        Settings { threads: Some(1), repetitions: 2, warm_up: true, cpu_only: true, memory_limit: None };

    #[test]
    fn tests_are_named_as_llama_bench_names_them() {
        let names: Vec<_> = plan().tests().iter().map(Test::name).collect();
        assert_eq!(names, ["pp16", "tg2", "tg2 x3", "pp16 @ d40", "tg2 @ d40", "tg2 x3 @ d40"]);
    }

    #[test]
    fn every_test_gives_a_rate_for_each_repetition() {
        let mut bench = Bench::open(&builtin::source(), &plan(), SETTINGS).unwrap();
        assert_eq!(bench.subject().threads, 1);
        for test in plan().tests() {
            let figures = bench.measure(test, &|| false).unwrap();
            assert_eq!(figures.rates.len(), 2, "{}", figures.name);
            assert!(figures.rates.iter().all(|rate| rate.is_finite() && *rate > 0.0), "{figures:?}");
            assert_eq!(bench.base.len(), test.depth);
        }
    }

    #[test]
    fn what_cannot_be_measured_is_said_before() {
        let open = |plan: &Plan, settings| Bench::open(&builtin::source(), plan, settings).map(|_| ());
        let long = Plan { depths: vec![1 << 20], ..plan() };
        let expect = (1 << 20) + 16;
        match open(&long, SETTINGS) {
            Err(ProviderError::ContextOverflow { needed, .. }) => assert_eq!(needed, expect),
            other => panic!("{other:?}"),
        }
        let small = Settings { memory_limit: Some(1 << 20), ..SETTINGS };
        assert!(matches!(open(&plan(), small), Err(ProviderError::Model { .. })));
        let mut bench = Bench::open(&builtin::source(), &plan(), SETTINGS).unwrap();
        let cancelled = bench.measure(plan().tests()[0], &|| true);
        assert!(matches!(cancelled, Err(ProviderError::Cancelled)), "{cancelled:?}");
    }

    #[test]
    fn medians_and_deviations() {
        let test = Test { prompt: 1, answer: 0, depth: 0, sequences: 1 };
        let check = |rates: &[f64], mean: f64, deviation: f64, median: f64| {
            let figures = Figures::new(test, rates.to_vec());
            assert_eq!((figures.mean, figures.deviation, figures.median), (mean, deviation, median));
        };
        check(&[4.0], 4.0, 0.0, 4.0);
        check(&[1.0, 3.0], 2.0, 2.0_f64.sqrt(), 2.0);
        check(&[9.0, 1.0, 2.0], 4.0, 19.0_f64.sqrt(), 2.0);
    }
}

//! Owns what stands behind the attention: one gated network, or a few of many experts.
//! Uses the kernels; rows that chose the same expert go through it together.
//! Never runs an expert that no row chose.

use loci_kernels::matmul::{Activations, Matrix, Product, multiply};
use loci_kernels::pool::Pool;
use loci_kernels::vector::{self, Gate};

use super::CHUNK;
use super::config::{Experts, Router};
use super::decoder::add_bias;
use super::pass::Error;
use super::weights::{ExpertWeights, Gated};
use crate::gguf::Pieces;

/// What a feed-forward works with.
pub(super) struct Room<'a> {
    pub(super) bytes: Pieces<'a>,
    pub(super) pool: &'a Pool,
    pub(super) activations: &'a mut Activations,
    /// `[CHUNK, width]` each.
    pub(super) gate: &'a mut [f32],
    pub(super) up: &'a mut [f32],
}

impl Room<'_> {
    /// `output = down(function(gate(x)) * up(x))` for the activations, `[rows, down.rows]`.
    fn gated(
        &mut self,
        function: Gate,
        matrices: [Matrix<'_>; 3],
        biases: [Option<&[f32]>; 3],
        rows: usize,
        output: &mut [f32],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let [gate_matrix, up_matrix, down_matrix] = matrices;
        let width = gate_matrix.rows();
        let (gate, up) = (&mut self.gate[..rows * width], &mut self.up[..rows * width]);
        let gate_product = Product { matrix: gate_matrix, output: &mut *gate };
        let up_product = Product { matrix: up_matrix, output: &mut *up };
        multiply(self.pool, self.activations, &mut [gate_product, up_product]);
        let [gate_bias, up_bias, down_bias] = biases;
        for (bias, rows) in [(gate_bias, &mut *gate), (up_bias, &mut *up)] {
            if let Some(bias) = bias {
                vector::add_row(self.pool, rows, bias);
            }
        }
        vector::gated(self.pool, function, gate, up);
        if cancelled() {
            return Err(Error::Cancelled);
        }
        self.activations.set(width, gate);
        let product = Product { matrix: down_matrix, output: &mut *output };
        multiply(self.pool, self.activations, &mut [product]);
        if let Some(bias) = down_bias {
            vector::add_row(self.pool, output, bias);
        }
        Ok(())
    }
}

/// One network for all rows, whose input the activations hold.
pub(super) fn dense(
    room: &mut Room<'_>,
    weights: &Gated,
    function: Gate,
    rows: usize,
    output: &mut [f32],
    cancelled: &dyn Fn() -> bool,
) -> Result<(), Error> {
    let Gated { gate, up, down } = weights;
    let matrices =
        [gate.weight.over(room.bytes)?, up.weight.over(room.bytes)?, down.weight.over(room.bytes)?];
    let biases = [gate.bias.as_deref(), up.bias.as_deref(), down.bias.as_deref()];
    room.gated(function, matrices, biases, rows, output, cancelled)
}

/// A row that goes through an expert.
#[derive(Debug, Clone, Copy)]
struct Choice {
    expert: usize,
    row: usize,
    weight: f32,
}

/// The buffers of mixtures.
#[derive(Debug)]
pub(super) struct Mixture {
    /// `[CHUNK, experts]`
    scores: Vec<f32>,
    best: Vec<(usize, f32)>,
    choices: Vec<Choice>,
    /// The rows of one expert, `[rows, hidden]`, and what it makes of them.
    gathered: Vec<f32>,
    results: Vec<f32>,
}

impl Mixture {
    /// Buffers for models of this width with so many experts; nothing for none.
    pub(super) fn new(hidden: usize, experts: usize) -> Self {
        let rows = if experts > 0 { CHUNK } else { 0 };
        Self {
            scores: vec![0.0; rows * experts],
            best: Vec::new(),
            choices: Vec::new(),
            gathered: vec![0.0; rows * hidden],
            results: vec![0.0; rows * hidden],
        }
    }

    /// `output[i] = sum of weight * expert(input[i])` over the experts that row i chooses, plus the shared network.
    pub(super) fn run(
        &mut self,
        room: &mut Room<'_>,
        experts: &Experts,
        weights: &ExpertWeights,
        input: &[f32],
        output: &mut [f32],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let hidden = weights.router.weight.columns;
        let rows = input.len() / hidden;
        room.activations.set(hidden, input);
        self.choose(room, experts, weights, rows)?;
        match &weights.shared {
            Some(shared) => {
                dense(room, shared, experts.gate, rows, output, cancelled)?;
                if let Some(gate) = &weights.shared_gate {
                    for (input, output) in input.chunks_exact(hidden).zip(output.chunks_exact_mut(hidden)) {
                        let weight = 1.0 / (1.0 + (-vector::dot(input, gate)).exp());
                        vector::scale(room.pool, output, weight);
                    }
                }
            }
            None => output.fill(0.0),
        }
        let mut from = 0;
        while let Some(first) = self.choices.get(from) {
            let expert = first.expert;
            let count = self.choices[from..].iter().take_while(|choice| choice.expert == expert).count();
            let choices = &self.choices[from..from + count];
            from += count;
            if cancelled() {
                return Err(Error::Cancelled);
            }
            let gathered = &mut self.gathered[..count * hidden];
            for (gathered, choice) in gathered.chunks_exact_mut(hidden).zip(choices) {
                gathered.copy_from_slice(&input[choice.row * hidden..(choice.row + 1) * hidden]);
            }
            room.activations.set(hidden, gathered);
            let matrices = [
                weights.gate.weight(expert).over(room.bytes)?,
                weights.up.weight(expert).over(room.bytes)?,
                weights.down.weight(expert).over(room.bytes)?,
            ];
            let biases = [weights.gate.bias(expert), weights.up.bias(expert), weights.down.bias(expert)];
            let results = &mut self.results[..count * hidden];
            room.gated(experts.gate, matrices, biases, count, results, cancelled)?;
            for (result, choice) in results.chunks_exact(hidden).zip(choices) {
                let output = &mut output[choice.row * hidden..(choice.row + 1) * hidden];
                vector::add_scaled(room.pool, output, result, choice.weight);
            }
        }
        Ok(())
    }

    /// Fill the list of choices, expert by expert.
    fn choose(
        &mut self,
        room: &mut Room<'_>,
        experts: &Experts,
        weights: &ExpertWeights,
        rows: usize,
    ) -> Result<(), Error> {
        let Self { scores, best, choices, .. } = self;
        let scores = &mut scores[..rows * experts.count];
        let product = Product { matrix: weights.router.weight.over(room.bytes)?, output: &mut *scores };
        multiply(room.pool, room.activations, &mut [product]);
        add_bias(room.pool, &weights.router, scores);
        choices.clear();
        for (row, scores) in scores.chunks_exact_mut(experts.count).enumerate() {
            match experts.router {
                Router::Softmax => vector::softmax(scores),
                Router::Sigmoid => {
                    for score in &mut *scores {
                        *score = 1.0 / (1.0 + (-*score).exp());
                    }
                }
                Router::SoftmaxOfChosen => {}
            }
            match &weights.selection_bias {
                // The bias counts for the choice and not for the weight.
                Some(bias) => {
                    vector::add(room.pool, scores, bias);
                    vector::top_k(scores, experts.used, best);
                    for (expert, score) in &mut *best {
                        *score -= bias[*expert];
                    }
                }
                None => vector::top_k(scores, experts.used, best),
            }
            let mut sum = 1.0;
            if experts.router == Router::SoftmaxOfChosen {
                let top = best.iter().map(|(_, score)| *score).fold(f32::NEG_INFINITY, f32::max);
                for (_, score) in &mut *best {
                    *score = (*score - top).exp();
                }
            }
            if experts.normalised || experts.router == Router::SoftmaxOfChosen {
                // The least is what llama.cpp divides by: the smallest normal number of f16.
                sum = best.iter().map(|(_, score)| *score).sum::<f32>().max(6.103_515_6e-5);
            }
            choices.extend(best.iter().map(|&(expert, score)| Choice {
                expert,
                row,
                weight: score / sum * experts.scale,
            }));
        }
        choices.sort_unstable_by_key(|choice| (choice.expert, choice.row));
        Ok(())
    }
}

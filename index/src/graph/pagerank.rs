//! Owns which files of a tree matter most, by who uses what they define.
//! Uses nothing but numbers: Brin and Page 1998, on files, each edge carried by a name.
//! Never reads a file. The same edges give the same ranks, on every machine.

/// The share of a file's rank that goes along its uses; the rest goes to where the walk begins.
const DAMPING: f64 = 0.85;
/// Ranks that all together move by less than this no longer change places that matter to a map; 5,000 files take about
/// twenty rounds.
const TOLERANCE: f64 = 1e-4;
const ROUNDS: usize = 40;

/// One file uses a name that another defines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Which name, as the caller counts them.
    pub(crate) name: u32,
    /// How much of the user's rank goes this way, beside its other edges.
    pub(crate) weight: f64,
}

/// What the walk found.
pub(crate) struct Ranks {
    /// By file; they sum to one.
    pub(crate) files: Vec<f64>,
    /// By edge: what flows along it.
    pub(crate) flows: Vec<f64>,
}

/// Rank the files. `begin` says where the walk begins, by file; all alike when it is zero everywhere.
pub(crate) fn ranks(edges: &[Edge], begin: &[f64]) -> Ranks {
    let files = begin.len();
    let total: f64 = begin.iter().sum();
    let begin: Vec<f64> = if total > 0.0 {
        begin.iter().map(|weight| weight / total).collect()
    } else {
        vec![1.0 / files.max(1) as f64; files]
    };
    let mut out = vec![0.0; files];
    for edge in edges {
        out[edge.from as usize] += edge.weight;
    }
    // The share of the user's rank that each edge carries.
    let shares: Vec<f64> = edges
        .iter()
        .map(|edge| match out[edge.from as usize] {
            total if total > 0.0 => DAMPING * edge.weight / total,
            _ => 0.0,
        })
        .collect();
    let mut ranks = begin.clone();
    for _ in 0..ROUNDS {
        // A file that uses nothing hands its rank back to the beginning.
        let idle: f64 = ranks.iter().zip(&out).filter(|(_, out)| **out <= 0.0).map(|(rank, _)| rank).sum();
        let mut next: Vec<f64> = begin.iter().map(|start| start * (1.0 - DAMPING + DAMPING * idle)).collect();
        for (edge, share) in edges.iter().zip(&shares) {
            next[edge.to as usize] += ranks[edge.from as usize] * share;
        }
        let moved: f64 = next.iter().zip(&ranks).map(|(one, other)| (one - other).abs()).sum();
        ranks = next;
        if moved < TOLERANCE {
            break;
        }
    }
    let flows = edges.iter().zip(&shares).map(|(edge, share)| ranks[edge.from as usize] * share).collect();
    Ranks { files: ranks, flows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_use_ranks_first() {
        let edge = |from, to, weight| Edge { from, to, name: 0, weight };
        let edges = [edge(1, 0, 1.0), edge(2, 0, 1.0), edge(3, 0, 1.0), edge(2, 1, 2.0)];
        let Ranks { files, flows } = ranks(&edges, &[0.0; 4]);
        assert!(files[0] > files[1] && files[1] > files[2]);
        assert!((files[2] - files[3]).abs() < 1e-12);
        assert!(flows[3] > flows[1]);
        assert_eq!(ranks(&[], &[]).files, [0.0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn ranks_sum_to_one_and_are_the_same_again(
            drawn in proptest::collection::vec((0u32..12, 0u32..12, 0.0f64..5.0), 0..60),
            begin in proptest::collection::vec(0.0f64..3.0, 12),
        ) {
            let edges: Vec<Edge> =
                drawn.into_iter().map(|(from, to, weight)| Edge { from, to, name: 0, weight }).collect();
            let found = ranks(&edges, &begin);
            let sum: f64 = found.files.iter().sum();
            proptest::prop_assert!((sum - 1.0).abs() < 1e-6, "{sum}");
            let again = ranks(&edges, &begin);
            proptest::prop_assert_eq!(found.files, again.files);
            proptest::prop_assert_eq!(found.flows, again.flows);
        }
    }
}

//! Owns the tests of pages: what is written comes back, what is shared stays as it was, what is counted is given back.
//! Uses a plain list of rows as the model of what a sequence holds.
//! Never looks at pages except through the faces that the forward pass uses.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

use proptest::prelude::*;

use super::*;

fn geometry() -> Arc<Geometry> {
    Arc::new(Geometry::new(vec![
        LayerShape { kv_heads: 2, key_dim: 3, value_dim: 2 },
        LayerShape { kv_heads: 1, key_dim: 4, value_dim: 5 },
    ]))
}

/// The row that a token leaves at a position: small whole numbers, which f16 holds exactly.
fn row(token: u32, position: usize, width: usize, salt: usize) -> Vec<f32> {
    (0..width).map(|part| ((token as usize * 7 + position * 3 + part + salt) % 2000) as f32).collect()
}

fn push(sequence: &mut Sequence, tokens: &[u32]) -> Result<(), OutOfMemory> {
    let start = sequence.len();
    sequence.reserve(start + tokens.len())?;
    for (layer, shape) in sequence.geometry().clone().layers().iter().enumerate() {
        let rows = |dim: usize, salt: usize| -> Vec<f32> {
            let each = tokens.iter().enumerate();
            each.flat_map(|(at, &token)| row(token, start + at, shape.kv_heads * dim, salt + layer)).collect()
        };
        sequence.write(layer, start, &rows(shape.key_dim, 0), &rows(shape.value_dim, 50));
    }
    sequence.commit(tokens);
    Ok(())
}

/// Every row that the sequence holds is the one its token left there.
fn check(sequence: &Sequence) {
    for (layer, shape) in sequence.geometry().layers().iter().enumerate() {
        let keys: Vec<&[f16]> = sequence.keys(layer, sequence.len()).collect();
        let values: Vec<&[f16]> = sequence.values(layer, sequence.len()).collect();
        for (position, &token) in sequence.tokens().iter().enumerate() {
            let (page, at) = (position / PAGE, position % PAGE);
            let found: Vec<f32> = keys[page].chunks_exact(PAGE).map(|column| column[at].to_f32()).collect();
            assert_eq!(found, row(token, position, shape.kv_heads * shape.key_dim, layer));
            let heads = values[page].chunks_exact(PAGE * shape.value_dim);
            let found: Vec<f32> = heads
                .flat_map(|head| &head[at * shape.value_dim..(at + 1) * shape.value_dim])
                .map(|value| value.to_f32())
                .collect();
            assert_eq!(found, row(token, position, shape.kv_heads * shape.value_dim, 50 + layer));
        }
    }
}

#[test]
fn a_page_holds_all_layers_one_behind_the_other() {
    let geometry = geometry();
    assert_eq!(geometry.page_len(), (2 * 5 + 9) * PAGE);
    assert_eq!(geometry.page_bytes(), (19 * PAGE * 2) as u64);
    assert_eq!(geometry.values(0).end, geometry.keys(1).start);
    let mut sequence = Sequence::new(&geometry);
    push(&mut sequence, &(0..PAGE as u32 + 9).collect::<Vec<_>>()).unwrap();
    check(&sequence);
    assert_eq!(sequence.pages().len(), 2);
    // The second key component of the second head of the first layer, for the token at 3.
    assert_eq!(sequence.pages()[0].numbers()[4 * PAGE + 3].to_f32(), row(3, 3, 6, 0)[4]);
}

#[test]
fn a_fork_shares_pages_until_one_of_them_writes() {
    let budget = Arc::new(Budget::new(u64::MAX));
    let geometry = geometry();
    let page = geometry.page_bytes();
    let mut first = Sequence::within(&geometry, &budget);
    push(&mut first, &vec![5; 2 * PAGE + 10]).unwrap();
    assert_eq!(budget.used(), 3 * page);
    let mut second = first.fork(2 * PAGE + 5);
    let third = first.fork(PAGE);
    assert_eq!(budget.used(), 3 * page);
    push(&mut second, &[6, 7]).unwrap();
    assert_eq!(budget.used(), 4 * page, "the page that both fill is copied, the full ones are not");
    push(&mut first, &[8]).unwrap();
    assert_eq!(budget.used(), 4 * page, "the other one is now alone with its page");
    for sequence in [&first, &second, &third] {
        check(sequence);
    }
    drop(first);
    assert_eq!(budget.used(), 3 * page);
    drop(second);
    drop(third);
    assert_eq!(budget.used(), 0);
}

#[test]
fn pages_beyond_the_budget_are_refused_and_nothing_is_lost() {
    let geometry = geometry();
    let budget = Arc::new(Budget::new(2 * geometry.page_bytes() + 1));
    let mut sequence = Sequence::within(&geometry, &budget);
    push(&mut sequence, &vec![3; PAGE + 1]).unwrap();
    let mut fork = sequence.fork(PAGE + 1);
    assert_eq!(push(&mut fork, &[1]), Err(OutOfMemory));
    assert_eq!(sequence.reserve(2 * PAGE + 1), Err(OutOfMemory));
    check(&sequence);
    check(&fork);
    drop(sequence);
    push(&mut fork, &[1]).unwrap();
    check(&fork);
    assert_eq!(budget.limit() - budget.used(), 1);
}

#[test]
#[should_panic(expected = "what is committed stays as it is")]
fn committed_rows_are_never_written() {
    let mut sequence = Sequence::new(&geometry());
    push(&mut sequence, &[1, 2]).unwrap();
    sequence.write(0, 1, &[0.0; 6], &[0.0; 4]);
}

#[derive(Debug, Clone)]
enum Change {
    Push(usize, Vec<u32>),
    Truncate(usize, usize),
    Fork(usize, usize),
    Drop(usize),
    Reserve(usize, usize),
    Append(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let tokens = prop::collection::vec(0u32..100, 1..3 * PAGE);
    prop_oneof![
        4 => (0usize..6, tokens).prop_map(|(of, tokens)| Change::Push(of, tokens)),
        2 => (0usize..6, 0..6 * PAGE).prop_map(|(of, length)| Change::Truncate(of, length)),
        2 => (0usize..6, 0..6 * PAGE).prop_map(|(of, length)| Change::Fork(of, length)),
        1 => (0usize..6).prop_map(Change::Drop),
        1 => (0usize..6, 0..6 * PAGE).prop_map(|(of, length)| Change::Reserve(of, length)),
        1 => (0usize..6, 0usize..6).prop_map(|(of, from)| Change::Append(of, from)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_series_of_changes_keeps_every_sequence_right(changes in prop::collection::vec(change(), 1..30)) {
        let geometry = geometry();
        let budget = Arc::new(Budget::new(40 * geometry.page_bytes()));
        let mut sequences = vec![(Sequence::within(&geometry, &budget), Vec::<u32>::new())];
        for change in changes {
            match change {
                Change::Push(of, tokens) => {
                    let of = of % sequences.len();
                    let (sequence, known) = &mut sequences[of];
                    if push(sequence, &tokens).is_ok() {
                        known.extend(tokens);
                    }
                }
                Change::Truncate(of, length) => {
                    let of = of % sequences.len();
                    sequences[of].0.truncate(length);
                    sequences[of].1.truncate(length);
                }
                Change::Fork(of, length) => {
                    let (sequence, known) = &sequences[of % sequences.len()];
                    let fork = sequence.fork(length);
                    let known = known[..length.min(known.len())].to_vec();
                    sequences.push((fork, known));
                }
                Change::Drop(of) if sequences.len() > 1 => {
                    sequences.swap_remove(of % sequences.len());
                }
                Change::Drop(_) => {}
                Change::Reserve(of, length) => {
                    let of = of % sequences.len();
                    let length = length.max(sequences[of].0.len());
                    let _ = sequences[of].0.reserve(length);
                }
                Change::Append(of, from) => {
                    // The state of a page depends on its position, so only the same place fits.
                    let source = sequences[from % sequences.len()].0.fork(usize::MAX);
                    let of = of % sequences.len();
                    let start = sequences[of].0.len();
                    let end = source.len() / PAGE * PAGE;
                    if start.is_multiple_of(PAGE) && start < end {
                        let tokens = source.tokens()[start..end].to_vec();
                        let pages = source.pages()[start / PAGE..end / PAGE].to_vec();
                        sequences[of].0.append(&tokens, pages);
                        sequences[of].1.extend(tokens);
                    }
                }
            }
            for (sequence, known) in &sequences {
                prop_assert_eq!(sequence.tokens(), &known[..]);
                check(sequence);
            }
        }
        drop(sequences);
        prop_assert_eq!(budget.used(), 0);
    }
}

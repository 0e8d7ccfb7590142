//! The positions of a campaign's streams, which the order of a list says.

/// Positions in the order of a list, of streams of one kind, each with the position and id that it has, if it has one. What is in
/// the right order keeps its numbers, so that nothing changes without need.
pub(super) fn positions(streams: &[Option<(u32, &str)>]) -> Vec<u32> {
    kept(streams).unwrap_or_else(|| (1..).take(streams.len()).collect())
}

/// With the numbers that there are; none: they are in another order, or there is no room between them.
fn kept(streams: &[Option<(u32, &str)>]) -> Option<Vec<u32>> {
    let had: Vec<(u32, &str)> = streams.iter().flatten().copied().collect();
    // Equal places go by age, and ids grow with it.
    if !had.is_sorted() {
        return None;
    }
    let mut positions = Vec::with_capacity(streams.len());
    let mut before: Option<u32> = None;
    let mut new = 0_u32;
    for stream in streams {
        match stream {
            None => new += 1,
            Some((position, _)) => {
                // New ones stand between.
                let first = match before {
                    Some(before) => before.checked_add(1)?,
                    None => position.checked_sub(new)?,
                };
                let end = first.checked_add(new)?;
                if new > 0 && end > *position {
                    return None;
                }
                positions.extend(first..end);
                positions.push(*position);
                (before, new) = (Some(*position), 0);
            }
        }
    }
    let first = before.map_or(Some(1), |before| before.checked_add(1))?;
    positions.extend(first..first.checked_add(new)?);
    Some(positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_in_order_keeps_its_numbers() {
        let table = [
            (vec![], vec![]),
            (vec![None, None], vec![1, 2]),
            (vec![Some((5, "a")), Some((5, "b")), None], vec![5, 5, 6]),
            (vec![Some((0, "a")), None, Some((9, "b"))], vec![0, 1, 9]),
            (vec![None, Some((9, "b"))], vec![8, 9]),
            (vec![None, None, Some((1, "b"))], vec![1, 2, 3]),
            (vec![Some((5, "b")), Some((5, "a"))], vec![1, 2]),
            (vec![Some((2, "a")), None, Some((3, "b"))], vec![1, 2, 3]),
            (vec![Some((u32::MAX, "a")), None], vec![1, 2]),
        ];
        for (streams, want) in table {
            assert_eq!(positions(&streams), want, "{streams:?}");
        }
    }

    proptest! {
        /// New ones are younger than all that there is, and have no order among themselves but their positions.
        #[test]
        fn positions_decide_in_the_order_of_the_list(streams in prop::collection::vec(prop::option::of(0_u32..6), 0..9)) {
            let ids: Vec<String> = (0..streams.len()).map(|n| format!("str_{}", (n * 7) % 10)).collect();
            let had: Vec<Option<(u32, &str)>> =
                streams.iter().zip(&ids).map(|(p, id)| p.map(|p| (p, id.as_str()))).collect();
            let new = positions(&had);
            let after: Vec<(u32, &str)> =
                new.iter().zip(&had).map(|(p, had)| (*p, had.map_or("z", |(_, id)| id))).collect();
            prop_assert!(after.windows(2).all(|w| w[0] < w[1]), "{:?}", after);
            prop_assert_eq!(positions(&after.iter().copied().map(Some).collect::<Vec<_>>()), new, "and stay so");
        }
    }
}

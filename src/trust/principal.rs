use super::Principal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which authority was matched to which principal: no authority and no principal twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// For each authority, in the order they were given, the principal that it was matched to.
    pub matched: Vec<Option<Principal>>,
}

impl Assignment {
    /// How many authorities were matched: the number that a threshold is compared with.
    #[must_use]
    pub fn count(&self) -> usize {
        self.matched.iter().flatten().count()
    }
}

/// THE threshold function: every m-of-n in Boltseal is this count compared with m.
///
/// Each entry of `authorities` is the set of principals whose signatures count for that authority. The answer is the
/// largest set of authorities that can be matched to different principals (a maximum bipartite matching): one key
/// under two names counts once, and one authority with two signing keys counts once. The same input gives the
/// same answer.
///
/// By augmenting paths (J. Edmonds, "Paths, Trees, and Flowers", 1965), without recursion; its time is at most the
/// number of authorities times the number of pairs.
#[must_use]
pub fn count_distinct(authorities: &[BTreeSet<Principal>]) -> Assignment {
    let mut matching = Matching { held: vec![None; authorities.len()], holder: BTreeMap::new() };
    for start in 0..authorities.len() {
        matching.augment(start, authorities);
    }
    Assignment { matched: matching.held.into_iter().map(Option::<&Principal>::cloned).collect() }
}

struct Matching<'p> {
    /// authority -> the principal it is matched to
    held: Vec<Option<&'p Principal>>,
    /// principal -> the authority it is matched to
    holder: BTreeMap<&'p Principal, usize>,
}

impl<'p> Matching<'p> {
    /// Looks, breadth first, for a principal that `start` can have once others make room, and makes them.
    fn augment(&mut self, start: usize, authorities: &'p [BTreeSet<Principal>]) {
        let mut asked_by: BTreeMap<&Principal, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(authority) = queue.pop_front() {
            for principal in authorities.get(authority).into_iter().flatten() {
                if asked_by.contains_key(principal) {
                    continue;
                }
                asked_by.insert(principal, authority);
                match self.holder.get(principal) {
                    Some(holder) => queue.push_back(*holder),
                    None => return self.hand_over(principal, &asked_by),
                }
            }
        }
    }

    /// Gives `free` to who asked for it, what that one held to who asked for that, and so on.
    fn hand_over(&mut self, free: &'p Principal, asked_by: &BTreeMap<&'p Principal, usize>) {
        let mut next = Some(free);
        while let Some(principal) = next {
            let Some(authority) = asked_by.get(principal) else { return };
            self.holder.insert(principal, *authority);
            next = self.held.get_mut(*authority).and_then(|held| held.replace(principal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Fingerprint;
    use proptest::prelude::*;

    fn principal(n: u8) -> Principal {
        Principal::Key(Fingerprint::of(&[n]))
    }

    fn sets(authorities: &[&[u8]]) -> Vec<BTreeSet<Principal>> {
        authorities.iter().map(|set| set.iter().map(|n| principal(*n)).collect()).collect()
    }

    /// The most authorities that can be served, by trying everything.
    fn brute_force(authorities: &[BTreeSet<Principal>], used: &mut Vec<Principal>) -> usize {
        let Some((first, rest)) = authorities.split_first() else { return 0 };
        let mut best = brute_force(rest, used);
        for principal in first {
            if !used.contains(principal) {
                used.push(principal.clone());
                best = best.max(1 + brute_force(rest, used));
                used.pop();
            }
        }
        best
    }

    #[test]
    fn one_key_under_two_names_counts_once() {
        assert_eq!(count_distinct(&sets(&[&[1], &[1]])).count(), 1);
    }

    #[test]
    fn one_authority_with_two_signing_keys_counts_once() {
        assert_eq!(count_distinct(&sets(&[&[1, 2]])).count(), 1);
    }

    #[test]
    fn an_earlier_authority_makes_room_for_a_later_one() {
        let assignment = count_distinct(&sets(&[&[1, 2, 3], &[1, 2], &[1], &[]]));
        assert_eq!(assignment.count(), 3);
        assert_eq!(assignment.matched[2], Some(principal(1)));
        assert_eq!(assignment.matched[3], None);
    }

    #[test]
    fn a_certificate_and_a_key_are_two_principals() {
        let certificate = Principal::Certificate { issuer: "i".to_owned(), san: "s".to_owned() };
        let both = BTreeSet::from([certificate, principal(1)]);
        assert_eq!(count_distinct(&[both.clone(), both]).count(), 2);
    }

    #[test]
    fn a_chain_of_ten_thousand_moves_ends() {
        let n = 10_000_u32;
        let name = |n: u32| Principal::Certificate { issuer: String::new(), san: format!("{n:08}") };
        let mut authorities: Vec<_> = (0..n).map(|i| BTreeSet::from([name(i), name(i + 1)])).collect();
        authorities.push(BTreeSet::from([name(0)]));
        assert_eq!(count_distinct(&authorities).count(), 10_001);
    }

    proptest! {
        // [V-32]
        #[test]
        fn the_count_is_the_largest_there_is(
            numbers in proptest::collection::vec(proptest::collection::btree_set(0_u8..6, 0..4), 0..7)
        ) {
            let authorities: Vec<BTreeSet<Principal>> =
                numbers.iter().map(|set| set.iter().map(|n| principal(*n)).collect()).collect();
            let assignment = count_distinct(&authorities);
            prop_assert_eq!(assignment.count(), brute_force(&authorities, &mut Vec::new()));
            prop_assert_eq!(assignment.matched.len(), authorities.len());
            let mut used = BTreeSet::new();
            for (set, matched) in authorities.iter().zip(&assignment.matched) {
                if let Some(principal) = matched {
                    prop_assert!(set.contains(principal) && used.insert(principal));
                }
            }
        }
    }
}

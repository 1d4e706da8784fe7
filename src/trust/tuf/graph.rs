use super::{UpdateError, delegates::Edge, quorum::Authority, trusted::Trusted};
use crate::{
    crypto::Fingerprint,
    format::tuf::{Delegation, RoleName, Target, Targets},
    oci::Digest,
    trust::Principal,
};
use std::collections::{BTreeMap, BTreeSet};

/// The targets roles that were read, and what became of each delegation between them.
///
/// A role's file may satisfy one who delegates to it and not another, so the edge is what is verified. By boltseal's rules
/// a role has one delegator: a policy names roles, and nobody else may say whose keys are behind a name.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub files: BTreeMap<RoleName, Trusted<Targets>>,
    pub edges: BTreeMap<(RoleName, RoleName), Result<BTreeSet<Principal>, UpdateError>>,
    /// Who delegates to each role, by boltseal's rules; by TUF's nobody is noted, and whoever does may.
    pub delegators: BTreeMap<RoleName, RoleName>,
    /// Set once there are more delegations than are followed: why the others have no edge.
    pub over_limit: Option<UpdateError>,
}

/// What a search for a path comes to.
pub(super) enum Search<'g> {
    Found(&'g RoleName, &'g Target),
    /// With the roles that may list the path and could not be used.
    NotFound(Vec<(&'g RoleName, &'g UpdateError)>),
    /// A role that may list the path was not asked for yet.
    Needs(Edge),
}

impl Graph {
    /// The search for a path: in preorder, the first delegation first, nobody twice; behind a terminating delegation
    /// that covers the path nobody is asked (TUF 1.0.34, 5.6.7).
    ///
    /// A delegation that can't be used is passed over. Where it is terminating, nobody answers in its place.
    pub fn search(&self, path: &str) -> Search<'_> {
        let mut visited = BTreeSet::new();
        let mut passed_over = Vec::new();
        let mut stack: Vec<(Option<&RoleName>, &RoleName, usize)> = vec![(None, &RoleName::Targets, 0)];
        while let Some((parent, role, depth)) = stack.pop() {
            if visited.contains(role) {
                continue;
            }
            if let Some(parent) = parent {
                let edge = self.edges.get(&(parent.clone(), role.clone())).map(Result::as_ref);
                match edge.or(self.over_limit.as_ref().map(Err)) {
                    None => return Search::Needs(Edge { parent: parent.clone(), child: role.clone(), depth }),
                    Some(Err(error)) => {
                        passed_over.push((role, error));
                        continue;
                    }
                    Some(Ok(_)) => {}
                }
            }
            visited.insert(role);
            let Some(targets) = self.targets(role) else { continue };
            if let Some(target) = targets.targets.get(path) {
                return Search::Found(role, target);
            }
            let (asked, terminated) = asked(targets, path);
            if terminated {
                stack.clear();
            }
            stack.extend(asked.into_iter().rev().map(|child| (Some(role), &child.name, depth + 1)));
        }
        Search::NotFound(passed_over)
    }

    /// The roles that may list a path: from the top over usable delegations that cover it. Who is terminating does not
    /// matter, since each role is asked by its own name.
    pub fn may_list(&self, path: &str) -> BTreeSet<&RoleName> {
        let mut may = BTreeSet::from([&RoleName::Targets]);
        let mut stack = vec![&RoleName::Targets];
        while let Some(role) = stack.pop() {
            for child in self.targets(role).into_iter().flat_map(Targets::delegations) {
                if child.covers(path) && self.is_usable(role, &child.name) && may.insert(&child.name) {
                    stack.push(&child.name);
                }
            }
        }
        may
    }

    /// What a role says of a path, and the file that says it: its own, or that of one of its hashed bins, which are the
    /// role's list in parts.
    pub fn answer<'g>(&'g self, role: &'g RoleName, path: &str) -> Option<(&'g RoleName, &'g Target)> {
        let targets = self.targets(role)?;
        if let Some(target) = targets.targets.get(path) {
            return Some((role, target));
        }
        let usable = |child: &&Delegation| child.covers(path) && self.is_usable(role, &child.name);
        targets.bins().filter(usable).find_map(|bin| Some((&bin.name, self.targets(&bin.name)?.targets.get(path)?)))
    }

    /// Whether a role is a part of another one's list.
    pub fn is_bin(&self, role: &RoleName) -> bool {
        let delegations = self.files.values().filter_map(|file| file.metadata.signed().delegation(role));
        { delegations }.any(Delegation::is_bin)
    }

    pub fn targets(&self, role: &RoleName) -> Option<&Targets> {
        self.files.get(role).map(|file| file.metadata.signed())
    }

    pub fn is_usable(&self, parent: &RoleName, child: &RoleName) -> bool {
        matches!(self.edges.get(&(parent.clone(), child.clone())), Some(Ok(_)))
    }

    /// Who of a parent's keys may sign for a role.
    pub fn authority(&self, parent: &RoleName, child: &RoleName) -> Option<Authority> {
        let delegations = self.targets(parent)?.delegations.as_ref()?;
        let delegation = delegations.roles.iter().find(|delegation| delegation.name == *child)?;
        Some(Authority::new(child, &delegations.keys, &delegation.keys))
    }

    /// The keys of a delegated role, by all who may delegate to it.
    pub fn keys(&self, role: &RoleName) -> BTreeSet<Fingerprint> {
        let delegator = self.delegators.get(role);
        let parents = self.files.keys().filter(|parent| delegator.is_none_or(|delegator| delegator == *parent));
        let authorities = parents.filter_map(|parent| self.authority(parent, role));
        authorities.flat_map(|authority| authority.fingerprints()).collect()
    }

    /// Who signed a role, for any who may delegate to it.
    pub fn signers(&self, role: &RoleName) -> BTreeSet<Principal> {
        if let (RoleName::Targets, Some(file)) = (role, self.files.get(role)) {
            return file.signers.clone();
        }
        let edges = self.edges.iter().filter(|((_, child), _)| child == role);
        edges.filter_map(|(_, signers)| signers.as_ref().ok()).flatten().cloned().collect()
    }
}

/// All that is revoked, and why: the paths `revoked/ALGORITHM/HEX` of `targets/revoked`, and what these entries list.
pub(super) fn revocations(graph: &Graph) -> BTreeMap<Digest, Option<String>> {
    let role = RoleName::from(RoleName::REVOKED);
    let mut revoked = BTreeMap::new();
    let delegation = graph.targets(&RoleName::Targets).and_then(|targets| targets.delegation(&role));
    let file = graph.targets(&role).filter(|_| graph.is_usable(&RoleName::Targets, &role));
    let Some((file, delegation)) = file.zip(delegation) else { return revoked };
    for (path, target) in file.targets.iter().filter(|(path, _)| delegation.covers(path)) {
        let named = path.strip_prefix("revoked/").and_then(|digest| digest.replacen('/', ":", 1).parse().ok());
        for digest in named.into_iter().chain(target.listed_digests()) {
            revoked.entry(digest).or_insert_with(|| target.reason().map(str::to_owned));
        }
    }
    revoked
}

/// The delegations that are asked for a path, up to the first terminating one, and whether there is such a one.
fn asked<'t>(targets: &'t Targets, path: &str) -> (Vec<&'t Delegation>, bool) {
    let mut asked = Vec::new();
    for delegation in targets.delegations().iter().filter(|delegation| delegation.covers(path)) {
        asked.push(delegation);
        if delegation.terminating {
            return (asked, true);
        }
    }
    (asked, false)
}

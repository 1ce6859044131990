//! Policies by path: which of them a request gets is decided once, in the one outermost layer.

use std::{error::Error, fmt, sync::Arc};

use crate::{
    cors::{
        live::{CorsPolicyHandle, OnePolicy},
        paths::ByPath,
        policy::CorsPolicy,
        source::CorsPolicySource,
    },
    path_table::PathTable,
};

/// Builds a [`CorsPolicySource`] that chooses a policy by the path of the request.
///
/// Made by [`CorsPolicySource::by_path`], which says how a path is read.
#[derive(Clone, Debug)]
#[must_use]
pub struct CorsPolicyByPath {
    default: OnePolicy,
    paths: Vec<(String, OnePolicy)>,
}

/// The paths that [`CorsPolicySource::by_path`] cannot take, all of them.
#[derive(Clone, PartialEq, Eq)]
pub struct CorsPathError {
    problems: Vec<String>,
}

/// A policy, or a handle through which one is replaced: what one path can have.
///
/// There is nothing to do with it but to pass a [`CorsPolicy`] or a
/// [`CorsPolicyHandle`] where it is asked for. A source by path is neither,
/// so that paths are never nested.
#[derive(Clone, Debug)]
pub struct CorsPathPolicy(OnePolicy);

// ===== impl CorsPolicyByPath =====

impl CorsPolicySource {
    /// Starts a source that chooses the policy by the path of the request.
    ///
    /// The default must be **the narrowest** policy: it has every path that no pattern matches, and
    /// every path that two readers could take for two different ones. These are the paths with an
    /// empty segment (other than the last), with a segment `.` or `..` (also as `%2e`), and with
    /// `%2f`, `%5c`, `%25`, `%00`, `\` or `;`. The path is the one that the layer sees, undecoded.
    ///
    /// A preflight, a 404 and a panic of a path all have the policy of that path, because one layer
    /// decides, outermost. Two layers with a policy each do not: where one is around the other, the
    /// outer one wins, and where they are beside each other, a 404 has the policy of only one.
    ///
    /// ```
    /// use tower_contract::{ContractLayer, CorsPolicy, CorsPolicyHandle, CorsPolicySource};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = CorsPolicy::builder(["https://app.example.com"]).build()?;
    /// let partners = CorsPolicyHandle::new(CorsPolicy::builder(["https://p.example"]).build()?);
    /// let by_path = CorsPolicySource::by_path(app)
    ///     .path("/partners/{*rest}", partners.clone())
    ///     .build()?;
    /// let contract = ContractLayer::new(by_path);
    ///
    /// assert!(CorsPolicySource::by_path(partners.clone()).path("/a/:id", partners).build().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_path(default: impl Into<CorsPathPolicy>) -> CorsPolicyByPath {
        CorsPolicyByPath { default: default.into().0, paths: Vec::new() }
    }
}

impl CorsPolicyByPath {
    /// Gives every path that `pattern` matches a policy of its own.
    ///
    /// A pattern is written as for axum 0.8: `/public/{*rest}` is all below `/public/`, `/a/{id}`
    /// one segment below `/a/`. The more exact pattern wins.
    pub fn path(mut self, pattern: impl Into<String>, policy: impl Into<CorsPathPolicy>) -> Self {
        self.paths.push((pattern.into(), policy.into().0));
        self
    }

    /// Builds the source, for [`CorsContractLayer::new`](crate::CorsContractLayer::new) or
    /// [`ContractLayer::new`](crate::ContractLayer::new).
    ///
    /// # Errors
    ///
    /// With every pattern that is not one: without a slash at its start, written as for older
    /// versions of axum (`:id`, `*rest`), or matching the same paths as an earlier one; and if
    /// there are more than 65,535 of them.
    pub fn build(self) -> Result<CorsPolicySource, CorsPathError> {
        let (mut paths, mut problems) = (PathTable::new(), Vec::new());
        let mut policies = vec![self.default];
        for (pattern, policy) in self.paths {
            let inserted = match u16::try_from(policies.len()) {
                Ok(index) => paths.insert(&pattern, index),
                Err(_) => Err("more than 65,535 paths".to_owned()),
            };
            if let Err(problem) = inserted {
                problems.push(format!("{pattern:?}: {problem}"));
            }
            policies.push(policy);
        }
        if problems.is_empty() {
            Ok(CorsPolicySource::of_paths(Arc::new(ByPath { paths, policies })))
        } else {
            Err(CorsPathError { problems })
        }
    }
}

impl From<CorsPolicy> for CorsPathPolicy {
    fn from(policy: CorsPolicy) -> Self {
        Self(policy.into())
    }
}

impl From<CorsPolicyHandle> for CorsPathPolicy {
    fn from(handle: CorsPolicyHandle) -> Self {
        Self(handle.into())
    }
}

// ===== impl CorsPathError =====

impl CorsPathError {
    /// Returns what is wrong, a line for each pattern.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for CorsPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "paths that cannot have a CORS policy: {}", self.problems.join("; "))
    }
}

/// As `Display`: it is what a `main` that returns the error prints.
impl fmt::Debug for CorsPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CorsPathError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_that_is_none_is_listed() {
        let policy = CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
        let error = CorsPolicySource::by_path(policy.clone())
            .path("/ok/{*rest}", policy.clone())
            .path("/ok/{*other}", policy.clone())
            .path("bare", policy.clone())
            .path("/a/:id", policy)
            .build()
            .unwrap_err();
        assert_eq!(error.problems().len(), 3, "{error}");
        assert!(error.to_string().contains("\"/a/:id\": a parameter is written {id}, not :id"));
    }
}

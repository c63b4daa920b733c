//! Lists by cursor: a page, and where the next one begins.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Kind, Problem};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1_000;

/// A part of a list.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins; null behind the last one.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// `next` of the page before.
    pub(super) after: Option<String>,
    /// Most items of the page.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
}

/// Reads the size of a page.
pub(super) fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        limit => {
            let detail = format!("`limit` is {limit}, but must be from 1 to {MAX_LIMIT}");
            Err(Problem::new(Kind::InvalidRequest, detail))
        }
    }
}

impl<T> Page<T> {
    /// A page of `limit` items out of one more that were asked for; `cursor` names an item.
    pub(super) fn of(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }

    /// A list that is short enough to be given as a whole.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_where_the_next_begins_only_if_there_is_one() {
        let page = |items: &[u32]| Page::of(items.to_vec(), 2, u32::to_string);
        assert_eq!(page(&[]), Page { items: vec![], next: None });
        assert_eq!(page(&[1, 2]), Page { items: vec![1, 2], next: None });
        assert_eq!(page(&[1, 2, 3]), Page { items: vec![1, 2], next: Some("2".to_owned()) });
    }

    #[test]
    fn a_page_has_a_sensible_size() {
        assert_eq!(page_limit(None).unwrap(), 100);
        assert_eq!(page_limit(Some(1_000)).unwrap(), 1_000);
        assert!(page_limit(Some(0)).is_err() && page_limit(Some(1_001)).is_err());
    }
}

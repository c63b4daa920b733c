//! Items of look-ups that come by page.

use std::collections::VecDeque;

/// Items of all pages, fetched as they are asked for. `fetch` gets the `next` of the page before and gives the items of
/// a page with its own `next`. Ends after the first error.
pub(crate) fn pages<T, E>(
    fetch: impl FnMut(Option<String>) -> Result<(Vec<T>, Option<String>), E>,
) -> impl Iterator<Item = Result<T, E>> {
    Pages { fetch, items: VecDeque::new(), next: Next::First }
}

struct Pages<T, F> {
    fetch: F,
    items: VecDeque<T>,
    next: Next,
}

enum Next {
    First,
    After(String),
    End,
}

impl<T, E, F> Iterator for Pages<T, F>
where
    F: FnMut(Option<String>) -> Result<(Vec<T>, Option<String>), E>,
{
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Result<T, E>> {
        // A page may be empty and have one that follows.
        while self.items.is_empty() {
            let after = match std::mem::replace(&mut self.next, Next::End) {
                Next::First => None,
                Next::After(cursor) => Some(cursor),
                Next::End => return None,
            };
            match (self.fetch)(after) {
                Ok((items, next)) => {
                    self.items = items.into();
                    self.next = next.map_or(Next::End, Next::After);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        self.items.pop_front().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_all_pages_come_in_order_and_pages_are_fetched_when_needed() {
        let mut asked = Vec::new();
        let items: Vec<Result<u8, ()>> = pages(|after: Option<String>| {
            asked.push(after.clone());
            Ok(match after.as_deref() {
                None => (vec![1, 2], Some("2".to_owned())),
                Some("2") => (vec![], Some("empty".to_owned())),
                _ => (vec![3], None),
            })
        })
        .collect();
        assert_eq!(items, [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(asked, [None, Some("2".to_owned()), Some("empty".to_owned())]);
    }

    #[test]
    fn an_error_is_given_once_and_ends_the_items() {
        let mut calls = 0;
        let mut items = pages(|_| {
            calls += 1;
            if calls == 1 { Ok((vec![1], Some("1".to_owned()))) } else { Err("gone") }
        });
        assert_eq!(items.next(), Some(Ok(1)));
        assert_eq!(items.next(), Some(Err("gone")));
        assert_eq!(items.next(), None);
    }

    #[test]
    fn nothing_at_all_is_no_item() {
        assert_eq!(pages(|_| Ok::<_, ()>((Vec::<u8>::new(), None))).count(), 0);
    }
}

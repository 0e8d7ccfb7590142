//! Group commit: calls that come while others wait for the server's journal go together into the next command. A
//! call alone goes at once.
//!
//! postback-service records one report a request; each would cost a journal flush of its own.

use async_trait::async_trait;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tfx_ports::StoreError;
use tokio::sync::oneshot;

/// Groups under way at a time. While one waits for the journal, another is read and decided; more would only make
/// the groups smaller.
const LANES: usize = 2;

/// Items in one group, unless a single call has more.
const TOGETHER: usize = 512;

/// What is done with the items of several calls at once.
#[async_trait]
pub(super) trait Work: Send + Sync + 'static {
    /// Something to be done.
    type Item: Clone + Send + Sync + 'static;
    /// Its answer.
    type Answer: Send + 'static;

    /// One answer for each item, or an error and nothing done.
    async fn run(&self, items: &[Self::Item]) -> Result<Vec<Self::Answer>, StoreError>;
}

type Answer<W> = Result<Vec<<W as Work>::Answer>, StoreError>;

/// A call that waits for its group.
struct Call<W: Work> {
    items: Vec<W::Item>,
    answer: oneshot::Sender<Answer<W>>,
}

struct Queue<W: Work> {
    waiting: VecDeque<Call<W>>,
    lanes: usize,
}

struct Shared<W: Work> {
    work: W,
    queue: Mutex<Queue<W>>,
}

impl<W: Work> Shared<W> {
    fn queue(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that gathers calls.
pub(super) struct Gather<W: Work>(Arc<Shared<W>>);

impl<W: Work> Gather<W> {
    pub(super) fn new(work: W) -> Self {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), lanes: 0 });
        Self(Arc::new(Shared { work, queue }))
    }

    /// Has `items` done, all or none. What was begun is ended also if the caller stops waiting.
    pub(super) async fn ask(&self, what: &str, items: &[W::Item]) -> Answer<W> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.0.queue();
            queue.waiting.push_back(Call { items: items.to_vec(), answer });
            if queue.lanes < LANES {
                queue.lanes += 1;
                tokio::spawn(Lane { shared: Arc::clone(&self.0), left: false }.serve());
            }
        }
        answered.await.map_err(|_| StoreError::Unavailable {
            what: format!("{what}: this process is stopping; whether it was done is not known"),
            source: None,
        })?
    }
}

/// A task that does one group after the other until nothing waits.
struct Lane<W: Work> {
    shared: Arc<Shared<W>>,
    /// It has left the count of lanes.
    left: bool,
}

impl<W: Work> Lane<W> {
    async fn serve(mut self) {
        loop {
            let group = {
                let mut queue = self.shared.queue();
                let group = next_group(&mut queue.waiting);
                if group.is_empty() {
                    // In the same breath as the look: whoever comes now starts a lane.
                    queue.lanes -= 1;
                }
                group
            };
            if group.is_empty() {
                self.left = true;
                return;
            }
            run(&self.shared.work, group).await;
        }
    }
}

impl<W: Work> Drop for Lane<W> {
    /// Of a lane that was broken off: the runtime ends, or the work panicked. Nobody waits for it in vain.
    fn drop(&mut self) {
        if !self.left {
            let mut queue = self.shared.queue();
            queue.lanes -= 1;
            queue.waiting.clear();
        }
    }
}

fn next_group<W: Work>(waiting: &mut VecDeque<Call<W>>) -> Vec<Call<W>> {
    let mut group: Vec<Call<W>> = Vec::new();
    let mut items = 0;
    while let Some(call) = waiting.pop_front() {
        items += call.items.len();
        if items > TOGETHER && !group.is_empty() {
            waiting.push_front(call);
            break;
        }
        group.push(call);
    }
    group
}

async fn run<W: Work>(work: &W, group: Vec<Call<W>>) {
    let items: Vec<W::Item> = group.iter().flat_map(|call| call.items.iter().cloned()).collect();
    match work.run(&items).await {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for call in group {
                let own = answers.by_ref().take(call.items.len()).collect();
                // A caller who no longer waits needs no answer.
                let _ = call.answer.send(Ok(own));
            }
        }
        Err(e) if e.is_retryable() => {
            for call in group {
                let _ = call.answer.send(Err(copy(&e)));
            }
        }
        // One of them is refused for good; the others shall not suffer for it.
        Err(e) => match <[Call<W>; 1]>::try_from(group) {
            Ok([call]) => drop(call.answer.send(Err(e))),
            Err(group) => {
                for call in group {
                    let _ = call.answer.send(work.run(&call.items).await);
                }
            }
        },
    }
}

/// The same failure for another caller.
fn copy(e: &StoreError) -> StoreError {
    match e {
        StoreError::Full { what } => StoreError::Full { what: what.clone() },
        other => StoreError::Unavailable { what: other.to_string(), source: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{sync::Semaphore, task::JoinSet};

    /// Doubles numbers, refuses 13 for good, panics at 666, and has groups wait for a permit each.
    struct Doubling {
        groups: Mutex<Vec<usize>>,
        permits: Semaphore,
    }

    #[async_trait]
    impl Work for Doubling {
        type Item = u32;
        type Answer = u32;

        async fn run(&self, items: &[u32]) -> Result<Vec<u32>, StoreError> {
            self.groups.lock().expect("unpoisoned").push(items.len());
            let permit = self.permits.acquire().await.map_err(|e| StoreError::unavailable("closed", e))?;
            permit.forget();
            assert!(!items.contains(&666), "as asked");
            if items.contains(&13) {
                return Err(StoreError::Broken { what: "13".to_owned(), source: None });
            }
            Ok(items.iter().map(|i| i * 2).collect())
        }
    }

    impl Gather<Doubling> {
        fn groups(&self) -> Vec<usize> {
            self.0.work.groups.lock().expect("unpoisoned").clone()
        }

        /// Asks all at once, and lets groups run when all have asked; the answers in the order of asking.
        async fn ask_all(
            self: &Arc<Self>,
            asked: &[Vec<u32>],
            open: impl FnOnce(&Semaphore),
        ) -> Vec<Answer<Doubling>> {
            let mut calls = JoinSet::new();
            for (n, items) in asked.iter().cloned().enumerate() {
                let gather = Arc::clone(self);
                calls.spawn(async move { (n, gather.ask("double", &items).await) });
            }
            let waiting = || self.0.queue().waiting.iter().map(|call| call.items.len()).sum::<usize>();
            let total: usize = asked.iter().map(Vec::len).sum();
            while waiting() + self.groups().iter().sum::<usize>() < total {
                tokio::task::yield_now().await;
            }
            open(&self.0.work.permits);
            let mut answers = calls.join_all().await;
            answers.sort_by_key(|(n, _)| *n);
            answers.into_iter().map(|(_, answer)| answer).collect()
        }
    }

    fn doubling() -> Arc<Gather<Doubling>> {
        Arc::new(Gather::new(Doubling { groups: Mutex::default(), permits: Semaphore::new(0) }))
    }

    fn many(permits: &Semaphore) {
        permits.add_permits(10_000);
    }

    #[tokio::test]
    async fn calls_go_together_and_each_gets_its_own_answers() {
        let gather = doubling();
        let asked: Vec<Vec<u32>> = (1..=100).map(|n| vec![n * 1_000, n * 1_000 + 1]).collect();
        for (items, answer) in asked.iter().zip(gather.ask_all(&asked, many).await) {
            let doubled: Vec<u32> = items.iter().map(|i| i * 2).collect();
            assert_eq!(answer.expect("done"), doubled);
        }
        assert!(gather.groups().len() <= LANES + 1, "{:?}", gather.groups());
        assert_eq!(gather.ask("double", &[4]).await.expect("alone"), [8]);
        assert_eq!(gather.0.queue().lanes, 0);
    }

    #[tokio::test]
    async fn groups_are_bounded_and_a_call_stays_whole() {
        let gather = doubling();
        let asked: Vec<Vec<u32>> = [300, 300, 200, 2_000, 1, 1].map(|n| vec![1; n]).to_vec();
        let answers = gather.ask_all(&asked, many).await;
        assert!(
            answers.iter().zip(&asked).all(|(a, items)| a.as_ref().is_ok_and(|a| a.len() == items.len()))
        );
        assert_eq!(gather.groups(), [300, 500, 2_000, 2]);
    }

    #[tokio::test]
    async fn what_is_refused_for_good_fails_alone() {
        let gather = doubling();
        let answers = gather.ask_all(&[vec![1], vec![13, 2], vec![3]], many).await;
        assert!(matches!(answers[1], Err(StoreError::Broken { .. })), "{:?}", answers[1]);
        assert!(matches!(answers[0].as_deref(), Ok([2])) && matches!(answers[2].as_deref(), Ok([6])));
    }

    #[tokio::test]
    async fn what_may_work_later_fails_for_all() {
        let gather = doubling();
        let answers = gather.ask_all(&[vec![1], vec![2], vec![3]], Semaphore::close).await;
        assert!(answers.iter().all(|a| a.as_ref().is_err_and(StoreError::is_retryable)), "{answers:?}");
    }

    #[tokio::test]
    async fn a_panic_leaves_nobody_waiting() {
        let gather = doubling();
        let answers = gather.ask_all(&[vec![1], vec![666], vec![3]], many).await;
        assert!(answers.iter().all(|a| a.as_ref().is_err_and(StoreError::is_retryable)), "{answers:?}");
        assert_eq!(gather.ask("double", &[4]).await.expect("the next"), [8]);
    }
}

//! smoke
use provender::registry::record::*;
use provender::store::Store;

async fn smoke(url: &str) {
    let store = Store::open(url).await.unwrap();
    store
        .write(|tx| {
            Box::pin(async move {
                tx.put_collaboration(&Collaboration {
                    id: "co".into(),
                    name: "CO".into(),
                    ..Default::default()
                })
                .await?;
                Ok::<_, provender::store::StoreError>(())
            })
        })
        .await
        .unwrap();
    println!("{:?}", store.collaborations().await.unwrap());
    let l = store.try_lock_executor().await.unwrap();
    assert!(l.is_some());
    assert!(store.try_lock_executor().await.unwrap().is_none());
    drop(l);
    store.close().await;
}
#[tokio::test]
async fn a() {
    let d = tempfile::tempdir().unwrap();
    smoke(&format!("sqlite:{}/a b%20?x.db", d.path().display())).await;
    for e in std::fs::read_dir(d.path()).unwrap() {
        println!("{e:?}");
    }
}
#[tokio::test]
async fn b() {
    let u = provender_tests::postgres::fresh_database().await.unwrap();
    smoke(&u).await;
}

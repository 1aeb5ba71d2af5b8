//! Benchmarks of single steps, to use while you change one of them.

use std::hint::black_box;

use clerk_webhook_benches::delivery::{self, SignedDelivery};
use clerk_webhook_benches::handlers::{self, Application};
use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    divan::main();
}

#[divan::bench(args = [300, 2048, 16 * 1024, 256 * 1024])]
fn verify(bencher: Bencher<'_, '_>, size: usize) {
    let (verifier, delivery) = (delivery::verifier(), SignedDelivery::new(delivery::body_of(size)));
    bencher
        .counter(BytesCount::new(size))
        .bench(|| verifier.verify(black_box(&delivery.headers), black_box(&*delivery.body)).unwrap());
}

#[divan::bench]
fn refuse_stale(bencher: Bencher<'_, '_>) {
    let delivery = SignedDelivery::signed_ago(delivery::body_of(2048), 3600);
    let verifier = delivery::verifier();
    bencher.bench(|| verifier.begin_verify(black_box(&delivery.headers)).unwrap_err());
}

#[divan::bench]
fn receive_untouched(bencher: Bencher<'_, '_>) {
    let (verifier, delivery) = (delivery::verifier(), SignedDelivery::user_created());
    bencher.bench(|| verifier.receive(black_box(&delivery.headers), delivery.body.clone()).unwrap());
}

#[divan::bench]
fn receive_typed(bencher: Bencher<'_, '_>) {
    let (verifier, delivery) = (delivery::verifier(), SignedDelivery::user_created());
    bencher.bench(|| {
        let event = verifier.receive(black_box(&delivery.headers), delivery.body.clone()).unwrap();
        black_box(event.data());
        event
    });
}

#[divan::bench]
fn layer_untouched(bencher: Bencher<'_, '_>) {
    bench_application(bencher, handlers::layer_untouched());
}

#[divan::bench]
fn layer_typed(bencher: Bencher<'_, '_>) {
    bench_application(bencher, handlers::layer_typed());
}

#[divan::bench]
fn extractor_typed(bencher: Bencher<'_, '_>) {
    bench_application(bencher, handlers::extractor_typed());
}

fn bench_application(bencher: Bencher<'_, '_>, mut application: Application) {
    let delivery = SignedDelivery::user_created();
    bencher.bench_local(|| application.deliver(&delivery));
}

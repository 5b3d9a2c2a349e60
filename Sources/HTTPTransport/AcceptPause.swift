internal import Glibc
internal import NIOCore
internal import Telemetry

/// Why a connection was not accepted; the label of `leeway_http_accept_failures_total`.
enum AcceptFailure: String, CaseIterable {
    case descriptors, memory, aborted, other

    init(_ error: IOError) {
        switch error.errnoCode {
        case EMFILE, ENFILE: self = .descriptors
        case ENOMEM, ENOBUFS: self = .memory
        case ECONNABORTED: self = .aborted
        default: self = .other
        }
    }
}

/// Lets a listener that cannot accept wait for a moment, and counts why.
///
/// What is missing now is missing an instant later, too: trying without a pause keeps the loop
/// from the connections whose end gives it back. NIO's `AcceptBackoffHandler` leaves the socket
/// registered when the first attempt fails, so that the loop spins all the same; here reading is
/// switched off.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.milliseconds(100)
    private let metrics: HTTPMetrics
    private var isPaused = false

    init(metrics: HTTPMetrics) {
        self.metrics = metrics
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return context.fireErrorCaught(error) }
        let failure = AcceptFailure(error)
        if let index = AcceptFailure.allCases.firstIndex(of: failure) {
            metrics.acceptFailures[index].add(1)
        }
        // A client that has gone already is no reason to keep others waiting.
        guard failure != .aborted, !isPaused else { return }
        isPaused = true
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
            self.isPaused = false
            // Fails when the listener has been closed meanwhile, which is as well.
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}

@available(*, unavailable)
extension AcceptPause: Sendable {}

import Files
import HTTPTransport
import ModelStore
import ModelTestSupport
import NIOCore
import NIOPosix
import Retraining
import Serving
import TLSTransport
import Telemetry
import TestSupport
import Testing
import Transfer

/// The two flows with their real parts in one process: files → pipeline → store → follower →
/// HTTPS → answer.
@Suite("Flow", .timeLimit(.minutes(10))) struct FlowTests {
    /// The parts of an appliance, put together as the appliance does it.
    private final class Appliance: Sendable {
        let folder: TemporaryDirectory
        let group: MultiThreadedEventLoopGroup
        let registry = MetricRegistry(shards: 2)
        let store: ModelDirectory
        let authority: String
        let port: Int
        let follower: ModelFollower
        let went = Seen<Int>()
        let server: HTTPServer

        init(_ group: MultiThreadedEventLoopGroup) async throws {
            let folder = try TemporaryDirectory()
            let store = ModelDirectory(state: folder.path, model: "lines")
            let metrics = try ServingMetrics(registry)
            let table = try EndpointTable(.api)
            let settings = ServingSettings(
                models: ["lines"],
                defaultModel: "lines",
                watchedModels: ["lines"],
                bodyBytesMax: 1 << 20,
                rowsMax: 64
            )
            let loops = try await ServingLoops.make(on: group) { shard in
                ServingLoop(settings: settings, metrics: metrics, table: table, shard: shard)
            }
            let went = went
            follower = ModelFollower(
                directory: store,
                loops: loops,
                metrics: metrics,
                logger: quietLogger,
                clock: WallTime.now,
                wentLive: { went.append($0.version) },
                nothingToServe: {}
            )
            let certificate = try DevelopmentCertificate.ensure(
                in: folder.path("tls"),
                names: [],
                now: WallTime.now().nanosecondsSinceEpoch / 1_000_000_000
            )
            let context = try TLSContext(
                server: TLSServerSettings(
                    certificateFile: certificate.certificateFile,
                    keyFile: certificate.keyFile
                )
            )
            server = try HTTPServer(
                settings: .patient("api", table.routes),
                address: HTTPServer.Address(host: "127.0.0.1", port: 0),
                group: group,
                tls: ListenerTLS(source: context, limits: .patient),
                metrics: HTTPMetrics(registry: registry, listener: "api"),
                makeResponder: { loop, _ in
                    guard let responder = loops.responder(on: loop) else {
                        throw ChannelError.inappropriateOperationForState
                    }
                    return responder
                }
            )
            port = try await server.start().port
            authority = certificate.authorityFile
            self.folder = folder
            (self.group, self.store) = (group, store)
        }

        /// One pass of the lower flow on the files as they are now.
        func retrain(_ plan: RetrainingPlan, _ trigger: RetrainingTrigger) async throws
            -> RetrainingOutcome
        {
            try await RetrainingPipeline(
                plan: plan,
                directory: store,
                downloader: Downloader(
                    settings: DownloadSettings(proxy: "", retry: .never),
                    logger: quietLogger
                ),
                downloadFolder: folder.path("downloads"),
                clock: RetrainingClock(
                    unixSeconds: { WallTime.now().secondsSinceEpoch },
                    monotonicSeconds: { 0 }
                ),
                logger: quietLogger,
                tell: { _ in }
            ).run(trigger)
        }

        /// Writes the files; what is bright in them is the class, or the one after it.
        func write(shiftedBy shift: UInt8, seed: Int) throws -> RetrainingPlan {
            func mirror(_ name: String, _ bytes: [UInt8]) throws -> [RetrainingPlan.Mirror] {
                let path = folder.path(name)
                try WholeFile.replace(path, bytes)
                return [RetrainingPlan.Mirror(url: "file://\(path)", sha256: nil)]
            }
            let labels = TinyData.classes(150).map { ($0 + shift) % 3 }
            return TinyData.plan(
                train: RetrainingPlan.Source(
                    features: try mirror(
                        "images",
                        TinyData.packed(TinyData.images(150, seed: seed))
                    ),
                    labels: try mirror("labels", TinyData.labels(labels))
                ),
                test: nil
            )
        }
    }

    private func label(_ client: WebClient, _ line: Int) async throws -> String {
        let pixels = (0..<9).map { $0 / 3 == line ? 220 : 20 }
        let answer = try await client.predict(#"{"image":\#(pixels)}"#)
        try #require(answer.status == 200, "\(answer)")
        return answer.body
    }

    @Test("fresh data are learned, served over TLS, and learned and served anew when they change")
    func wholeCircle() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        do {
            let appliance = try await Appliance(group)
            let following = Task { await appliance.follower.run() }
            defer { following.cancel() }
            let client = try await WebClient.connect(
                group,
                port: appliance.port,
                authority: appliance.authority
            )
            #expect(try await client.ask("GET", "/readyz").status == 503)

            // The first retrain: the bright line is the class.
            let plan = try appliance.write(shiftedBy: 0, seed: 1)
            let first = try await appliance.retrain(plan, .bootstrap)
            #expect(first.version == 1)
            #expect(try #require(first.evaluation?.accuracy) > 0.95)
            try await waitUntilLive(1, appliance)
            #expect(try await client.ask("GET", "/readyz").status == 200)
            for (line, name) in TinyData.labels.enumerated() {
                let body = try await label(client, line)
                #expect(body.contains(#""label":"\#(name)""#), "\(body)")
                #expect(body.contains(#""version":"1""#))
            }

            // Nothing new, nothing done.
            #expect(try await appliance.retrain(plan, .schedule).result == .unchanged)

            // The world changes: the line below the bright one is the class now. The champion
            // fails on the fresh hold-out, so the candidate takes its place.
            let changed = try appliance.write(shiftedBy: 1, seed: 2)
            let second = try await appliance.retrain(changed, .schedule)
            #expect(second.version == 2)
            #expect(try #require(second.champion?.accuracy) < 0.1)
            try await waitUntilLive(2, appliance)
            for line in 0..<3 {
                let body = try await label(client, line)
                #expect(body.contains(#""label":"\#(TinyData.labels[(line + 1) % 3])""#), "\(body)")
                #expect(body.contains(#""version":"2""#))
            }

            // And back by hand, on the same connection.
            _ = try appliance.store.rollBack(actor: "ada", reason: "test", now: TinyModel.created)
            try await waitUntilLive(1, appliance)
            #expect(appliance.went.all == [1, 2, 1])
            #expect(try await label(client, 0).contains(#""version":"1""#))
            #expect(
                try appliance.store.history().map(\.event) == [.published, .published, .rolledBack]
            )
            await client.close()
            following.cancel()
            await following.value
            #expect(await appliance.server.drain(seconds: 5).cutOff == 0)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    /// Waits for the follower, which looks at the pointer by itself; the suite has a time limit.
    private func waitUntilLive(_ version: Int, _ appliance: Appliance) async throws {
        while await appliance.follower.current?.version != version {
            try Task.checkCancellation()
            await Task.yield()
        }
    }
}

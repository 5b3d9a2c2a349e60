import ModelTestSupport
import Serving
import Testing

/// Each mistake that a client can make, in each dialect: its own status and code, with the field
/// that is wrong named as the dialect names it, and the connection none the worse for it.
@Suite("Errors of every dialect", .serialized) struct ErrorMatrixTests {
    @Test("in the Open Inference Protocol", arguments: Mistake.tensors + Mistake.frames)
    func tensors(mistake: Mistake) async throws { try await check(mistake) }

    @Test("in /predict", arguments: Mistake.predictions)
    func predictions(mistake: Mistake) async throws { try await check(mistake) }

    @Test("in :predict", arguments: Mistake.instances)
    func instances(mistake: Mistake) async throws { try await check(mistake) }

    @Test("in plain bodies", arguments: Mistake.plain)
    func plain(mistake: Mistake) async throws { try await check(mistake) }

    private func check(_ mistake: Mistake) async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let answer = try await client.ask(
                "POST",
                mistake.path,
                mistake.body,
                fields: mistake.fields
            )
            #expect(answer.status == mistake.status, "\(answer)")
            let refusal = try Refusal(answer)
            #expect(refusal.code == mistake.code, "\(answer)")
            #expect(refusal.error.contains(mistake.field), "\(answer)")
            // A good request is answered all the same; after 413 on a connection of its own.
            let other = try await bench.connect()
            #expect(try await other.predict(Body.image(0)).status == 200)
            await other.close()
        }
    }
}

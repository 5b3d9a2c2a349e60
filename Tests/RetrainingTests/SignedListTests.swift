import Files
import ModelStore
import ModelTestSupport
import Retraining
import TestSupport
import Testing

@Suite(
    "Signed lists of files",
    .enabled(if: ChildProcess.isThere("openssl"), "needs openssl to sign")
)
struct SignedListTests {
    /// A key pair as the README makes one: the private key signs, the public one is configured.
    private struct Signer {
        let privateKey: String
        let publicKey: String

        init(_ shop: Workshop, _ name: String) throws {
            privateKey = shop.folder.path("\(name).pem")
            publicKey = shop.folder.path("\(name).pub.pem")
            try ChildProcess.run(
                ["openssl", "genpkey", "-algorithm", "ed25519", "-out", privateKey]
            )
            try ChildProcess.run(
                ["openssl", "pkey", "-in", privateKey, "-pubout", "-out", publicKey]
            )
        }

        /// Signs a file, as the README says.
        func sign(_ path: String, preamble: String = "leeway-manifest-v1") throws {
            let command =
                "(echo \(preamble); cat '\(path)') > '\(path).m' && "
                + "openssl pkeyutl -sign -rawin -inkey '\(privateKey)' -in '\(path).m' "
                + "-out '\(path).sig'"
            try ChildProcess.run(["sh", "-c", command])
        }
    }

    private let names = ["train-images", "train-labels", "test-images", "test-labels"]

    /// A list of the files that the workshop has.
    private func list(_ shop: Workshop, sequence: Int, expires: String = "2099-01-01T00:00:00Z")
        throws -> String
    {
        let files = try names.map { name in
            let bytes = try WholeFile.read(shop.folder.path("data/\(name)"), bytesMax: 1 << 20)
            return
                #"{"path": "\#(name)", "size": \#(bytes.count), "sha256": "\#(try digest(bytes))"}"#
        }
        return #"{"format": 1, "sequence": \#(sequence), "created": "2026-11-26T03:00:00Z", "#
            + #""expires": "\#(expires)", "files": [\#(files.joined(separator: ", "))]}"#
    }

    private func publish(_ shop: Workshop, _ text: String, _ signer: Signer) throws {
        try shop.put("list.json", Array(text.utf8))
        try signer.sign(shop.folder.path("data/list.json"))
    }

    private func plan(_ shop: Workshop, _ keys: [String]) throws -> RetrainingPlan {
        var plan = try shop.images()
        plan.margin = 1
        plan.data.signedList = SignedListPolicy(mirrors: shop.mirrors("list.json"), keyFiles: keys)
        return plan
    }

    @Test("files that are on the list are taken, by either of two keys")
    func accepted() async throws {
        let shop = try Workshop()
        let (old, new) = try (Signer(shop, "old"), Signer(shop, "new"))
        let plan = try plan(shop, [old.publicKey, new.publicKey])
        try publish(shop, list(shop, sequence: 1), old)
        #expect(try await shop.run(plan).version == 1)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        // The key is replaced.
        try shop.put("train-images", TinyData.images(90, seed: 3))
        try publish(shop, list(shop, sequence: 2), new)
        #expect(try await shop.run(plan, .schedule).version == 2)
        // And the old one is taken away.
        var later = plan
        later.data.signedList?.keyFiles = [new.publicKey]
        #expect(try await shop.run(later, .schedule).result == .unchanged)
        try publish(shop, list(shop, sequence: 3), old)
        #expect(await shop.code(later) == "data_signature_wrong")
    }

    @Test("a file that the list does not say is refused, whatever the mirror gives")
    func otherFile() async throws {
        let shop = try Workshop()
        let signer = try Signer(shop, "key")
        let plan = try plan(shop, [signer.publicKey])
        try publish(shop, list(shop, sequence: 1), signer)
        for bytes in [TinyData.images(90, seed: 8), TinyData.images(91), [1]] {
            try shop.put("train-images", bytes)
            #expect(await shop.code(plan) == "download_check_refused")
        }
        try shop.put("other-name", TinyData.packed(TinyData.images(90)))
        var renamed = plan
        renamed.train.features = shop.mirrors("other-name")
        #expect(await shop.code(renamed) == "data_file_not_listed")
        #expect(try shop.store.versions() == [])
    }

    @Test("an older list, another one of the same number, and one that has ended are refused")
    func freshness() async throws {
        let shop = try Workshop()
        let signer = try Signer(shop, "key")
        let plan = try plan(shop, [signer.publicKey])
        let first = try list(shop, sequence: 7)
        try publish(shop, first, signer)
        #expect(try await shop.run(plan).version == 1)
        try publish(shop, list(shop, sequence: 6), signer)
        #expect(await shop.code(plan) == "data_list_rolled_back")
        try publish(shop, first + " ", signer)
        #expect(await shop.code(plan) == "data_list_rolled_back")
        try publish(shop, list(shop, sequence: 8, expires: "2026-11-23T00:00:00Z"), signer)
        #expect(await shop.code(plan) == "data_list_expired")
        try publish(shop, first, signer)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        // What was believed cannot be forgotten by damage.
        let believed = shop.folder.path("state/downloads/lines-manifest.believed.json")
        try WholeFile.replace(believed, [])
        #expect(await shop.code(plan) == "data_list_unreadable")
    }

    @Test("a signature of something else, a cut one, and one without the preamble are none")
    func signatures() async throws {
        let shop = try Workshop()
        let (signer, other) = try (Signer(shop, "key"), Signer(shop, "other"))
        let plan = try plan(shop, [signer.publicKey])
        let path = shop.folder.path("data/list.json")
        try publish(shop, list(shop, sequence: 1), signer)
        let good = try WholeFile.read("\(path).sig", bytesMax: 100)
        #expect(good.count == 64)
        for signature in [[], Array(good.dropLast()), good + [0], [UInt8](repeating: 0, count: 64)]
        {
            try WholeFile.replace("\(path).sig", signature)
            #expect(await shop.code(plan) == "data_signature_wrong")
        }
        try signer.sign(path, preamble: "something-else")
        #expect(await shop.code(plan) == "data_signature_wrong")
        try other.sign(path)
        #expect(await shop.code(plan) == "data_signature_wrong")
        try WholeFile.replace("\(path).sig", good)
        try shop.put("list.json", Array(list(shop, sequence: 2).utf8))
        #expect(await shop.code(plan) == "data_signature_wrong")
    }

    @Test("lists and keys that make no sense have their own errors")
    func malformed() async throws {
        let shop = try Workshop()
        let signer = try Signer(shop, "key")
        let plan = try plan(shop, [signer.publicKey])
        let entry = #"{"path": "a", "size": 1, "sha256": "\#(String(repeating: "0", count: 64))"}"#
        let head = #"{"format": 1, "sequence": 1, "expires": "2099-01-01T00:00:00Z", "files": "#
        for text in [
            "", "[]", "{}", head + "7}",
            head.replacing(#""format": 1"#, with: #""format": 2"#) + "[]}",
            head.replacing(#""sequence": 1"#, with: #""sequence": -1"#) + "[]}",
            head.replacing("2099-01-01T00:00:00Z", with: "tomorrow") + "[]}",
            head + "[\(entry), \(entry)]}",
            head + "[\(entry.replacing(#""a""#, with: #""../a""#))]}",
            head + "[\(entry.replacing(#""a""#, with: #"".a""#))]}",
            head + "[\(entry.replacing(": 1,", with: ": -1,"))]}",
            head + "[\(entry.replacing("00000000", with: "0000000g"))]}",
        ] {
            try publish(shop, text, signer)
            #expect(await shop.code(plan) == "data_list_malformed", "\(text)")
        }
        var wrong = plan
        wrong.data.signedList?.keyFiles = [signer.privateKey]
        #expect(await shop.code(wrong) == "data_key_unreadable")
        wrong.data.signedList?.keyFiles = ["/nowhere"]
        #expect(await shop.code(wrong) == "data_list_unreadable")
    }
}

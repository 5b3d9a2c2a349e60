import Digest
import FoundationEssentials
import Testing

@Suite("Digests in JSON") struct CodingTests {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test("a digest is a string of hexadecimal digits in JSON")
    func roundTrip() throws {
        let digest = try Digest256(hex: hex)
        let json = try JSONEncoder().encode([digest])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(hex)\"]")
        #expect(try JSONDecoder().decode([Digest256].self, from: json) == [digest])
    }

    @Test("anything else is a decoding error", arguments: ["[\"ba\"]", "[1]", "[null]"])
    func refuses(json: String) {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Digest256].self, from: Data(json.utf8))
        }
    }
}

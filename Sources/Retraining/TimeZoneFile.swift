/// A compiled time-zone file, format TZif of RFC 9636, as far as a schedule needs it.
struct TimeZoneFile {
    /// Why bytes are none.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    private var first: Int64 = 0
    private var changes: [LocalClock.Change] = []
    private var rule: LocalClockRule?

    /// The counts at the head of a block.
    private struct Header {
        let version: UInt8
        let universalCount: Int
        let standardCount: Int
        let leapCount: Int
        let timeCount: Int
        let typeCount: Int
        let letterCount: Int

        init(_ reader: inout Reader) throws(Malformed) {
            guard try reader.take(4) == Array("TZif".utf8)[...] else {
                throw Malformed(description: "is no compiled time zone")
            }
            version = try reader.number(1)
            _ = try reader.take(15)
            universalCount = try reader.count()
            standardCount = try reader.count()
            leapCount = try reader.count()
            timeCount = try reader.count()
            typeCount = try reader.count()
            letterCount = try reader.count()
        }

        /// Bytes of the block when times have so many.
        func bytes(time: Int) -> Int {
            timeCount * (time + 1) + typeCount * 6 + letterCount + leapCount * (time + 4)
                + standardCount + universalCount
        }
    }

    /// Reads a file's bytes.
    init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = Reader(rest: bytes[...])
        let short = try Header(&reader)
        guard short.version >= UInt8(ascii: "2") else {
            try read(short, time: 4, &reader)
            return
        }
        _ = try reader.take(short.bytes(time: 4))
        let long = try Header(&reader)
        try read(long, time: 8, &reader)
        // The footer: what holds after the last change, between two line feeds.
        guard try reader.number(1) == UInt8(ascii: "\n"),
            let end = reader.rest.firstIndex(of: UInt8(ascii: "\n"))
        else { throw Malformed(description: "its last line is not whole") }
        let text = String(decoding: reader.rest[..<end], as: UTF8.self)
        guard !text.isEmpty else { return }
        guard let rule = LocalClockRule(text) else {
            throw Malformed(description: "its rule \(text.prefix(64)) cannot be read")
        }
        self.rule = rule
    }

    /// The clock that the file describes.
    func clock(name: String) -> LocalClock {
        LocalClock(name: name, first: first, changes: changes, rule: rule)
    }

    private mutating func read(
        _ header: Header,
        time: Int,
        _ reader: inout Reader
    ) throws(Malformed) {
        guard header.leapCount == 0 else {
            throw Malformed(description: "it counts leap seconds, which Unix time does not")
        }
        guard header.typeCount > 0 else { throw Malformed(description: "it has no local time") }
        var times: [Int64] = []
        for _ in 0..<header.timeCount { times.append(try reader.time(time)) }
        let indices = try reader.take(header.timeCount)
        var offsets: [Int64] = []
        for _ in 0..<header.typeCount {
            offsets.append(try reader.time(4))
            _ = try reader.take(2)
        }
        _ = try reader.take(header.letterCount + header.standardCount + header.universalCount)
        guard offsets.allSatisfy({ (-89_999...93_599).contains($0) }) else {
            throw Malformed(description: "a local time is further than 26 hours from UTC")
        }
        first = offsets[0]
        for (at, index) in zip(times, indices) {
            guard Int(index) < offsets.count, changes.last.map({ $0.at < at }) ?? true else {
                throw Malformed(description: "its changes are not in order")
            }
            changes.append(LocalClock.Change(at: at, seconds: offsets[Int(index)]))
        }
    }

    /// Takes bytes from the front of what is left.
    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func take(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
            guard count <= rest.count else { throw Malformed(description: "it is cut short") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }

        mutating func number(_ count: Int) throws(Malformed) -> UInt8 {
            guard let first = try take(count).first else {
                throw Malformed(description: "it is cut short")
            }
            return first
        }

        /// A count of 32 bits; no block of a file that was read whole has more items than bytes.
        mutating func count() throws(Malformed) -> Int {
            let value = try take(4).reduce(0) { $0 << 8 | Int($1) }
            guard value <= 1 << 20 else { throw Malformed(description: "it is cut short") }
            return value
        }

        /// A signed number of 4 or 8 bytes, the greatest first.
        mutating func time(_ count: Int) throws(Malformed) -> Int64 {
            let bytes = try take(count)
            let bits = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return count == 4
                ? Int64(Int32(truncatingIfNeeded: bits)) : Int64(bitPattern: bits)
        }
    }
}

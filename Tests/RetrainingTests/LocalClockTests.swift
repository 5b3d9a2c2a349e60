import Files
import Retraining
import TestSupport
import Testing

/// Schedules on clocks that are put forward and back.
@Suite("Local clocks") struct LocalClockTests {
    /// Files of time zones, made for the test.
    struct Zones: ~Copyable {
        let folder: TemporaryDirectory

        init() throws { folder = try TemporaryDirectory() }

        /// A file in the form of RFC 9636 with these changes and this rule.
        func clock(
            _ rule: String,
            changes: [(at: Int64, type: UInt8)] = [],
            offsets: [Int32] = [0]
        ) throws -> LocalClock {
            let bytes = Self.file(rule, changes: changes, offsets: offsets)
            return try clock(bytes)
        }

        func clock(_ bytes: [UInt8]) throws -> LocalClock {
            try WholeFile.replace(folder.path("Place"), bytes)
            return try LocalClock(named: "Place", folder: folder.path)
        }

        static func file(
            _ rule: String,
            changes: [(at: Int64, type: UInt8)] = [],
            offsets: [Int32] = [0]
        ) -> [UInt8] {
            let empty = header([0, 0, 0, 0, 1, 1]) + [0, 0, 0, 0, 0, 0, 0]
            let counts = [0, 0, 0, changes.count, offsets.count, 4].map { Int32($0) }
            return empty + header(counts)
                + changes.flatMap { change in
                    (0..<8).map { UInt8(truncatingIfNeeded: change.at >> (56 - 8 * Int64($0))) }
                } + changes.map(\.type) + offsets.flatMap { big($0) + [0, 0] }
                + Array("XYZ\0".utf8) + Array("\n\(rule)\n".utf8)
        }

        private static func header(_ counts: [Int32]) -> [UInt8] {
            Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15) + counts.flatMap(big)
        }

        private static func big(_ value: Int32) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * Int32($0))) }
        }
    }

    static let berlin = "CET-1CEST,M3.5.0,M10.5.0/3"

    /// Moments around the changes of 2027 in Berlin: at 01:00 UTC of 28 March and of 31 October.
    static let starts: [(String, Int64, Int64)] = [
        // 02:30 does not come on 28 March: the start is at the moment of the change, once.
        ("30 2 * * *", 1_806_148_800, 1_806_195_600),
        ("30 2 * * *", 1_806_195_600, 1_806_280_200),
        ("0,15,30 2 * * *", 1_806_195_600, 1_806_278_400),
        // It comes twice on 31 October, and the second time is passed over.
        ("30 2 * * *", 1_824_897_600, 1_824_942_600),
        ("30 2 * * *", 1_824_942_600, 1_825_032_600),
        // Every hour, and every quarter of it, goes on through both.
        ("45 * * * *", 1_824_942_600, 1_824_943_500),
        ("0 * * * *", 1_824_943_500, 1_824_944_400),
        ("*/15 * * * *", 1_806_194_700, 1_806_195_600),
        ("*/15 * * * *", 1_806_195_600, 1_806_196_500),
    ]

    @Test("a start that is skipped or comes twice is once", arguments: starts)
    func changes(text: String, now: Int64, expected: Int64) throws {
        let clock = try Zones().clock(Self.berlin)
        let next = try RetrainingSchedule(text).next(after: now, on: clock)
        #expect(next == expected)
    }

    @Test("the changes in the file come before its rule")
    func table() throws {
        let clock = try Zones().clock(
            "<+03>-3",
            changes: [(1000, 1), (2000, 2), (3000, 1)],
            offsets: [0, 3600, -7200]
        )
        let found = [0, 999, 1000, 1999, 2000, 2999].map { clock.offset(at: $0).seconds }
        #expect(found == [0, 0, 3600, 3600, -7200, -7200])
        #expect(clock.offset(at: 500).until == 1000)
        #expect(clock.offset(at: 2500).until == 3000)
        #expect(clock.offset(at: 3000) == (10_800, .max))
    }

    /// A rule, a moment of 2027, and the local hours from UTC then.
    static let rules: [(String, Int64, Double)] = [
        (berlin, 1_798_761_600, 1), (berlin, 1_814_400_000, 2),
        ("EST5EDT,M3.2.0,M11.1.0", 1_798_761_600, -5),
        ("EST5EDT,M3.2.0,M11.1.0", 1_814_400_000, -4),
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1_798_761_600, 11),
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1_814_400_000, 10.5),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 1_798_761_600, 0),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 1_814_400_000, 1),
        ("XXX-2YYY,J60/0,J300/0", 1_814_400_000, 3), ("XXX-2YYY,59,300", 1_798_761_600, 2),
        ("EST5EDT4,0/0,J365/25", 1_798_761_600, -4), ("UTC0", 1_814_400_000, 0),
    ]

    @Test("rules of summer time", arguments: rules)
    func rule(text: String, moment: Int64, hours: Double) throws {
        let clock = try Zones().clock(text)
        #expect(Double(clock.offset(at: moment).seconds) == hours * 3600)
    }

    @Test("a rule tells when it changes next, on both sides of a change")
    func until() throws {
        let clock = try Zones().clock(Self.berlin)
        let spring: Int64 = 1_806_195_600
        #expect(clock.offset(at: spring - 1) == (3600, spring))
        #expect(clock.offset(at: spring) == (7200, 1_824_944_400))
        #expect(clock.offset(at: .max).seconds == 3600)
        #expect(clock.offset(at: .min).seconds == 3600)
    }

    @Test("UTC needs no file")
    func universal() throws {
        let clock = try LocalClock(named: "UTC", folder: "/nowhere")
        #expect(clock == .utc)
        #expect(clock.offset(at: 0) == (0, .max))
    }

    @Test(
        "names lead to no file outside of the folder",
        arguments: [
            "", "/etc/passwd", "../Place", "Europe/../Place", "Europe//Berlin", "Berlin\0",
            ".hidden", "Europe/", String(repeating: "a", count: 65), "Ünited", "a b",
        ]
    )
    func names(name: String) {
        #expect(throws: RetrainingError.self) { try LocalClock(named: name) }
    }

    @Test("a place that nobody knows, and a system without places, are told apart")
    func missing() throws {
        let folder = try TemporaryDirectory()
        func reason(_ folder: String) -> String {
            do {
                _ = try LocalClock(named: "No/Where", folder: folder)
                return ""
            } catch {
                return error.reason
            }
        }
        #expect(reason(folder.path).contains("does not know"))
        #expect(reason(folder.path("none")).contains("tzdata"))
    }

    @Test("a file that is cut short at any byte is refused, never read as another")
    func cut() throws {
        let zones = try Zones()
        let whole = Zones.file(Self.berlin, changes: [(1000, 1), (2000, 0)], offsets: [0, 3600])
        _ = try zones.clock(whole)
        for count in 0..<whole.count {
            #expect(throws: RetrainingError.self) { try zones.clock(Array(whole[..<count])) }
        }
    }

    @Test("a file with any byte changed is read or refused, and nothing else happens")
    func damaged() throws {
        let zones = try Zones()
        let whole = Zones.file(Self.berlin, changes: [(1000, 1), (2000, 0)], offsets: [0, 3600])
        for index in whole.indices {
            for value in [0, 0x7F, 0xFF, whole[index] ^ 1] as [UInt8] {
                var bytes = whole
                bytes[index] = value
                guard let clock = try? zones.clock(bytes) else { continue }
                _ = clock.offset(at: 1500)
                _ = try RetrainingSchedule("30 2 * * *").next(after: 1500, on: clock)
            }
        }
    }

    @Test(
        "what is no rule is refused",
        arguments: [
            "CET", "CE-1", "CET-25", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J3",
            "CET-1CEST,366,3", "CET-1CEST,M3.5.0/168,M10.5.0", "<CET-1", "CET-1:60",
            "CET-1CEST,M3.5.0,M10.5.0,", "CET-1CEST,,",
        ]
    )
    func refused(text: String) throws {
        let zones = try Zones()
        #expect(throws: RetrainingError.self) { try zones.clock(text) }
    }
}

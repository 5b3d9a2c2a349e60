import Retraining
import Testing

@Suite("Retraining schedule") struct ScheduleTests {
    /// 2026-11-23 20:36:00 UTC, a Monday.
    static let now: Int64 = 1_795_466_160

    /// An expression, and the seconds from the Monday evening to its next minute.
    static let starts: [(String, Int)] = [
        ("* * * * *", 60), ("0 3 * * *", 23_040), ("30 20 * * *", 86_040),
        ("*/15 * * * *", 540), ("0 0 * * 2", 12_240), ("0 0 * * tue", 12_240),
        ("0 0 1 dec *", 617_040), ("36 20 23 11 *", 31_536_000), ("0 22-23 * * *", 5040),
        ("45,50 20 * * *", 540), ("0 0 24 * 0", 12_240), ("@hourly", 1440),
        ("@daily", 12_240), ("@midnight", 12_240), ("@weekly", 444_240), ("@monthly", 617_040),
        ("@yearly", 3_295_440), ("@annually", 3_295_440),
    ]

    @Test("the next start after a Monday evening", arguments: starts)
    func next(text: String, seconds: Int) throws {
        let schedule = try RetrainingSchedule(text)
        #expect(schedule.next(after: Self.now) == Self.now + Int64(seconds))
    }

    @Test("a leap day is found years ahead")
    func leapDay() throws {
        // 2028-02-29 00:00:00 UTC.
        #expect(try RetrainingSchedule("0 0 29 2 *").next(after: Self.now) == 1_835_395_200)
    }

    @Test("30 February never comes")
    func never() throws {
        #expect(try RetrainingSchedule("0 0 30 2 *").next(after: Self.now) == nil)
    }

    @Test(
        "an interval counts from the end of the last run",
        arguments: [
            ("30s", 30), ("10m", 600), ("6h", 21_600), ("1d", 86_400),
        ]
    )
    func interval(text: String, seconds: Int) throws {
        #expect(try RetrainingSchedule(text).next(after: 7) == 7 + Int64(seconds))
    }

    @Test(
        "what is no schedule is refused with a reason",
        arguments: [
            "", "5s", "0 3 * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
            "* * * * 8", "a * * * *", "5-1 * * * *", "*/0 * * * *", "1,, * * * *", "-1 * * * *",
            "99999999999999999999d", "0 0 * * mond",
        ]
    )
    func refused(text: String) {
        #expect(throws: RetrainingError.self) { try RetrainingSchedule(text) }
    }
}

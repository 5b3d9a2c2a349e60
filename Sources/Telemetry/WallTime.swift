import Glibc

/// A moment in UTC, as nanoseconds since 1970-01-01T00:00:00Z.
package struct WallTime: Sendable, Comparable, Hashable {
    /// Nanoseconds since the epoch; reaches from the year 1677 to 2262.
    package let nanosecondsSinceEpoch: Int64

    /// Wraps nanoseconds since the epoch.
    package init(nanosecondsSinceEpoch: Int64) {
        self.nanosecondsSinceEpoch = nanosecondsSinceEpoch
    }

    /// The system's clock now; the default for whoever takes a clock as a parameter.
    package static func now() -> WallTime {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_REALTIME, &time) == 0 else {
            return WallTime(nanosecondsSinceEpoch: 0)
        }
        let seconds = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        let sum = seconds.partialValue.addingReportingOverflow(Int64(time.tv_nsec))
        let fits = !seconds.overflow && !sum.overflow
        return WallTime(nanosecondsSinceEpoch: fits ? sum.partialValue : 0)
    }

    /// Seconds since the epoch, for gauges of the form `…_timestamp_seconds`.
    package var secondsSinceEpoch: Double { Double(nanosecondsSinceEpoch) / 1e9 }

    /// RFC 3339 text in UTC with microseconds: `2026-11-23T20:59:06.123456Z`.
    package var rfc3339: String {
        var line = LineBuffer(capacity: 32)
        line.edit { write(to: &$0) }
        return line.text
    }

    /// Orders moments by time.
    package static func < (left: WallTime, right: WallTime) -> Bool {
        left.nanosecondsSinceEpoch < right.nanosecondsSinceEpoch
    }

    /// Writes the RFC 3339 text, rounded down to a microsecond.
    func write(to line: inout LineWriter) {
        let (seconds, nanoseconds) = Self.floored(nanosecondsSinceEpoch, by: 1_000_000_000)
        let (days, secondOfDay) = Self.floored(seconds, by: 86_400)
        let (year, month, day) = Self.civil(daysSinceEpoch: days)
        line.write(decimal: UInt64(year.magnitude), width: 4)
        line.write(UInt8(ascii: "-"))
        line.write(decimal: UInt64(month), width: 2)
        line.write(UInt8(ascii: "-"))
        line.write(decimal: UInt64(day), width: 2)
        line.write(UInt8(ascii: "T"))
        line.write(decimal: UInt64(secondOfDay / 3600), width: 2)
        line.write(UInt8(ascii: ":"))
        line.write(decimal: UInt64(secondOfDay / 60 % 60), width: 2)
        line.write(UInt8(ascii: ":"))
        line.write(decimal: UInt64(secondOfDay % 60), width: 2)
        line.write(UInt8(ascii: "."))
        line.write(decimal: UInt64(nanoseconds / 1000), width: 6)
        line.write(UInt8(ascii: "Z"))
    }

    /// Quotient and remainder with a remainder that is never negative.
    private static func floored(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    /// Year, month and day of a day number: Howard Hinnant's `civil_from_days`.
    private static func civil(daysSinceEpoch: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let (era, dayOfEra) = floored(shifted, by: 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

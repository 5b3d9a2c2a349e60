internal import NIOCore
internal import Telemetry

/// The `Date` field's line, made anew at most once a second (IMF-fixdate, RFC 9110 §5.6.7), with
/// the lines behind it that are the same in every response of a listener.
package struct HTTPDate {
    private let constantLines: String
    private var second = Int64.min
    private(set) var lines = ByteBuffer()

    /// Takes what follows the date, each line with its end.
    init(before constantLines: String) {
        self.constantLines = constantLines
    }

    /// Brings the lines up to the time.
    mutating func advance(to time: WallTime) {
        let now = Self.floorDivide(time.nanosecondsSinceEpoch, 1_000_000_000)
        guard now != second else { return }
        second = now
        lines = ByteBuffer(
            string: "Date: \(Self.text(secondsSinceEpoch: now))\r\n\(constantLines)"
        )
    }

    /// The date as `Sun, 06 Nov 1994 08:49:37 GMT`.
    ///
    /// - Parameter seconds: of Unix time; any value is a date of the proleptic Gregorian calendar.
    /// - Returns: an IMF-fixdate.
    package static func text(secondsSinceEpoch seconds: Int64) -> String {
        let days = floorDivide(seconds, 86_400)
        let rest = seconds - days * 86_400
        // 1 January 1970 was a Thursday.
        let weekday = (days % 7 + 11) % 7
        let (year, month, day) = civil(daysSinceEpoch: days)
        let name = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][Int(weekday)]
        let monthName = months[Int(month - 1)]
        let clock = "\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))"
        return "\(name), \(two(day)) \(monthName) \(four(year)) \(clock) GMT"
    }

    private static var months: [String] {
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    }

    /// Days to year, month and day, counted in eras of 400 years that begin in March, so that the
    /// leap day is the last of a year.
    private static func civil(
        daysSinceEpoch days: Int64
    ) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }

    private static func four(_ value: Int64) -> String {
        String(repeating: "0", count: max(0, 4 - "\(value)".count)) + "\(value)"
    }
}

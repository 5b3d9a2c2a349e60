/// When scheduled retrains start: a cron expression on a local clock, or an interval.
package enum RetrainingSchedule: Sendable, Equatable {
    /// Starts at the minutes that a cron expression names.
    case cron(CronExpression)
    /// Starts this many seconds after the last run ended.
    case interval(seconds: Int64)

    /// Reads `0 3 * * *`, `@daily`, or an interval such as `30m`, `6h`, `1d`.
    ///
    /// - Throws: ``RetrainingError/schedule(text:reason:)``.
    package init(_ text: String) throws(RetrainingError) {
        let trimmed = text.trimmingSpaces()
        if let seconds = Self.interval(trimmed) {
            guard seconds >= 10 else {
                throw .schedule(text: text, reason: "an interval is at least 10s")
            }
            self = .interval(seconds: seconds)
        } else {
            self = .cron(try CronExpression(trimmed))
        }
    }

    /// The next start after a moment.
    ///
    /// - Parameters:
    ///   - now: Unix seconds.
    ///   - clock: The clock that a cron expression speaks of.
    /// - Returns: Unix seconds; nil when the expression names no minute in the next five years.
    package func next(after now: Int64, on clock: LocalClock = .utc) -> Int64? {
        switch self {
        case .cron(let expression): expression.next(after: now, on: clock)
        case .interval(let seconds): now + seconds
        }
    }

    private static func interval(_ text: String) -> Int64? {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
            (1...1_000_000).contains(count)
        else { return nil }
        return count * unit
    }
}

/// A cron expression of five fields, as POSIX `crontab` defines them, on a local clock.
///
/// `*`, numbers, lists, ranges, steps and the English short names of months and days; when both
/// day fields are restricted, either one is enough. When the clock is put forward over a start,
/// that start is at the moment of the change; when it is put back, a start that comes twice is
/// only the first time. An expression for every hour follows the hours as they pass.
package struct CronExpression: Sendable, Equatable {
    private let minutes: [Int]
    private let hours: [Int]
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let restrictsDays: Bool
    private let restrictsWeekdays: Bool

    /// Reads the five fields, or one of `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly`,
    /// `@yearly` (`@annually`).
    ///
    /// - Throws: ``RetrainingError/schedule(text:reason:)``.
    package init(_ text: String) throws(RetrainingError) {
        let names = [
            "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
            "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
            "@annually": "0 0 1 1 *",
        ]
        let fields = (names[text] ?? text).split(separator: " ").map(String.init)
        guard fields.count == 5 else {
            throw .schedule(
                text: text,
                reason: "expected five cron fields (minute hour day month weekday) "
                    + "or an interval such as 6h"
            )
        }
        func field(_ index: Int, _ range: ClosedRange<Int>, _ names: [String] = [])
            throws(RetrainingError) -> Set<Int>
        {
            guard let values = Self.values(fields[index], range, names) else {
                let limits = "\(range.lowerBound)…\(range.upperBound)"
                throw .schedule(text: text, reason: "\(fields[index]) is not within \(limits)")
            }
            return values
        }
        minutes = try field(0, 0...59).sorted()
        hours = try field(1, 0...23).sorted()
        days = try field(2, 1...31)
        months = try field(3, 1...12, Self.monthNames)
        // Both 0 and 7 are Sunday.
        weekdays = Set(try field(4, 0...7, Self.dayNames).map { $0 % 7 })
        restrictsDays = !fields[2].hasPrefix("*")
        restrictsWeekdays = !fields[4].hasPrefix("*")
    }

    private static let monthNames = [
        "", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    private static func values(_ field: String, _ range: ClosedRange<Int>, _ names: [String])
        -> Set<Int>?
    {
        var result: Set<Int> = []
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = part.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let head = halves.first else { return nil }
            let step = halves.count == 2 ? Int(halves[1]) : 1
            guard let step, step > 0 else { return nil }
            func number(_ text: Substring) -> Int? {
                let value = Int(text) ?? names.firstIndex(of: text.lowercased())
                return value.flatMap { range.contains($0) ? $0 : nil }
            }
            let bounds: ClosedRange<Int>
            let ends = head.split(separator: "-", omittingEmptySubsequences: false)
            if head == "*" {
                bounds = range
            } else if ends.count == 2, let low = number(ends[0]), let high = number(ends[1]),
                low <= high
            {
                bounds = low...high
            } else if ends.count == 1, let value = number(head) {
                bounds = halves.count == 2 ? value...range.upperBound : value...value
            } else {
                return nil
            }
            result.formUnion(stride(from: bounds.lowerBound, through: bounds.upperBound, by: step))
        }
        return result
    }

    /// The first matching minute after a moment.
    ///
    /// - Parameters:
    ///   - now: Unix seconds.
    ///   - clock: The clock that shows the minutes.
    /// - Returns: Unix seconds; nil when there is none within five years, as for 30 February.
    package func next(after now: Int64, on clock: LocalClock = .utc) -> Int64? {
        if hours.count == 24 { return nextOfEveryHour(after: now, on: clock) }
        // From the day before on: a start that the clock was put forward over may lie there.
        var day = CivilDay(unixSeconds: now + clock.offset(at: now).seconds - 86_400)
        for _ in 0..<(366 * 5) {
            if matches(day) {
                for hour in hours {
                    for minute in minutes {
                        let wall = day.unixSeconds + Int64(hour * 3600 + minute * 60)
                        let start = clock.first(reaching: wall)
                        if start > now { return start }
                    }
                }
            }
            day = CivilDay(unixSeconds: day.unixSeconds + 86_400)
        }
        return nil
    }

    /// Minute by minute as they pass, and over whole days that do not match.
    private func nextOfEveryHour(after now: Int64, on clock: LocalClock) -> Int64? {
        let last = now + 366 * 5 * 86_400
        var moment = now - Self.remainder(now, 60) + 60
        while moment < last {
            let (offset, until) = clock.offset(at: moment)
            let wall = moment + offset
            let day = CivilDay(unixSeconds: wall)
            guard matches(day) else {
                let skipped = min(until, moment + day.unixSeconds + 86_400 - wall)
                moment = skipped + Self.remainder(-skipped, 60)
                continue
            }
            let minute = Int((wall - day.unixSeconds) / 60 % 60)
            if minutes.contains(minute) { return moment }
            moment += 60
        }
        return nil
    }

    private static func remainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        (value % divisor + divisor) % divisor
    }

    private func matches(_ day: CivilDay) -> Bool {
        guard months.contains(day.month) else { return false }
        let byDay = days.contains(day.day)
        let byWeekday = weekdays.contains(day.weekday)
        return restrictsDays && restrictsWeekdays ? byDay || byWeekday : byDay && byWeekday
    }
}

/// A day of the proleptic Gregorian calendar, of any clock.
struct CivilDay {
    /// Midnight at its start.
    let unixSeconds: Int64
    let year: Int
    let month: Int
    let day: Int
    /// 0 is Sunday.
    let weekday: Int

    /// The day that a moment lies in: days since 0000-03-01 split into eras of 400 years, so
    /// that the leap day is the last of its year.
    init(unixSeconds seconds: Int64) {
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        unixSeconds = days * 86_400
        weekday = Int(((days + 4) % 7 + 7) % 7)
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
        month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
        year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    }

    /// Days from 1970-01-01 to a date.
    static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let shifted = Int64(month <= 2 ? year - 1 : year)
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let monthFromMarch = Int64((month + 9) % 12)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    static func isLeap(_ year: Int) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }
}

extension String {
    /// Without spaces and tabs at either end.
    func trimmingSpaces() -> String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), for dates from 1970 on.
package func httpDate(secondsSince1970 seconds: Int) -> String {
    let (days, time) = seconds.quotientAndRemainder(dividingBy: 86_400)
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days % 7]
    // Days to civil date by eras of 400 years that begin in March (Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms"): the leap day is the last of its year, so months have fixed beginnings.
    let shifted = days + 719_468
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"][monthFromMarch]
    let year = yearOfEra + shifted / 146_097 * 400 + (monthFromMarch >= 10 ? 1 : 0)
    return "\(weekday), \(twoDigits(day)) \(month) \(year) "
        + "\(twoDigits(time / 3_600)):\(twoDigits(time / 60 % 60)):\(twoDigits(time % 60)) GMT"
}

private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }

internal import MeshRuntime

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), for dates from 1970 on.
package func httpDate(secondsSince1970 seconds: Int) -> String {
    let time = CivilTime(secondsSince1970: seconds)
    let weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][time.weekday]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return "\(weekday), \(padded(time.day, to: 2)) \(months[time.month - 1]) \(time.year) "
        + "\(padded(time.hour, to: 2)):\(padded(time.minute, to: 2)):\(padded(time.second, to: 2)) GMT"
}

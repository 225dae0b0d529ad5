/// What nodes of one mesh must have in common: the layout of datagrams, of streams and of the frames in them.
///
/// Raised when a node that does not know the change would do harm, or come to harm, among those that do: then neither side
/// takes the other for a member. 1 is the version in which each message had one copy.
package enum ProtocolVersion {
    package static let current: UInt8 = 2
    package static let spoken: ClosedRange<UInt8> = current...current
}

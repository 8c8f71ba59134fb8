"""The yard: twins of the channels, payers' phones and a clock that can be moved, over the real wires."""

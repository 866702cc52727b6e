package job

// Latest is latest, for its test.
var Latest = latest

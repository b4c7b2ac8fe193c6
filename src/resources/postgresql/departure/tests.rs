//! Taking back, without a server.

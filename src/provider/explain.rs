//! What each failure means and what to do: errors become diagnostics here and nowhere else.

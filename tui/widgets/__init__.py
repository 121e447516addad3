"""Parts of screens; they know no client and no informer."""

"""Moving data as it is: from store to store, into files and back."""

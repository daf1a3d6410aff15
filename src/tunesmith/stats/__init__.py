"""Statistics: intervals by row and by cluster, paired differences."""

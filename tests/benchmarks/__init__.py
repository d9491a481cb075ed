"""`make bench`: the main job at national scale, as ratios against a limit measured in the same run."""

"""What could still be declared for the statements that are near: judged by the rules of declarations, priced by the statement."""

"""Tables as they come: the tabular estimators beside boosted trees and other networks."""

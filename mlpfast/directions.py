"""Whether a metric is better when larger or when smaller, told by its name.

A wrong guess would silently keep the worst epoch for the best one: a name that may be read both ways is not guessed.
"""

from __future__ import annotations

import re

__all__ = ["larger_is_better"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LARGER = _words(
    """
    acc accuracy precision recall sensitivity specificity ppv npv tpr tnr tp tn youden informedness markedness
    auc auroc aucroc rocauc roc auprc aupr aucpr prauc prc ap map dice iou miou jaccard
    kappa mcc matthews gmean ndcg dcg mrr hit hits top1 top5 topk
    r2 r2score rsquared adjr2 d2 nse kge correlation corr corrcoef pearson pearsonr spearman spearmanr kendall
    kendalltau concordance cindex similarity psnr ssim bleu rouge score scores skill
    likelihood loglikelihood elbo reward success correct
    silhouette homogeneity completeness nmi ari ami
    """
)
_SMALLER = _words(
    """
    loss losses error errors err cost penalty perplexity ppl regret distance divergence residual residuals
    mse rmse nrmse mae nmae mape smape wape wmape mdape medae mase msle rmsle rae rse rrse sse sae rss
    logloss nll brier crps deviance hinge huber pinball quantile poisson logcosh crossentropy xent bce kl kld
    hamming misclassification misclassified inaccuracy incorrect wrong miss misses failure failures
    ece mce eer wer cer fid aic bic fpr fnr fdr frr fp fn wasserstein hausdorff winkler
    """
)
#: Unknown words that end in one of these are taken for it: "binaryaccuracy", "myloss".
_ENDINGS = ("accuracy", "recall", "score", "likelihood", "loss", "error", "crossentropy", "deviance")
#: Beside these, the direction of a metric says nothing about the whole: "accuracy_gap", "one_minus_auc".
_TWISTS = _words(
    """
    minus inverse inverted inv reciprocal gap drop diff difference delta change decrease increase reduction improvement
    std var variance
    """
)
_NEGATIONS = frozenset(("neg", "negative", "negated"))
#: What only the words together tell; the first that matches counts, and a later match sees what earlier ones left.
_PHRASES = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), sign)
    for pattern, sign in (
        (r"neg(?:ative)? negative likelihood ratio", "+"),
        (r"neg(?:ative)? (?:log )?(?:log ?)?likelihood(?: ratio)?", "-"),
        (r"explained (?:variance|deviance)|(?:variance|deviance) explained", "+"),
        (r"d2(?! loss)(?: \w+)*|(?:\w+ )*skill score", "+"),  # the share that is explained, whatever was measured
        (r"(?:brier|crps|energy|interval|winkler|ranked probability|davies bouldin) score(?: loss)?", "-"),
        (r"log(?:arithmic)? score", "?"),  # both signs are in use
        (r"cross entropy|log cosh", "-"),
        (r"(?:positive|negative) predictive value|true (?:positive|negative)s?", "+"),
        (r"false (?:positive|negative|discovery|omission|alarm)s?", "-"),
        (r"f ?(?:\d+(?: 5)?|beta|measure)|r (?:2|squared?)|top (?:\d+|k)|g mean", "+"),
        (r"mutual info(?:rmation)?|v measure|adjusted rand|reciprocal rank", "+"),
    )
)


def larger_is_better(name: str) -> bool | None:
    """Whether a metric of this name is better when larger; None where the name does not tell.

    Prefixes such as "val_", and words of the user's own around known ones, don't matter: "val_my_macro_f1". A loss or
    an error of something is a loss: "accuracy_loss". "neg_" before a loss or an error makes it larger-is-better, which
    is how scikit-learn names its scorers (User Guide, "The scoring parameter").

    Parameters
    ----------
    name : str
        A metric's or a function's name, or a key of the logs; in any case, with any separators.

    Returns
    -------
    bool or None

    Examples
    --------
    >>> [larger_is_better(name) for name in ("val_roc_auc", "val_loss", "neg_log_loss", "error_rate", "val_speed")]
    [True, False, True, False, None]
    """
    if re.match(r"(val_)?(1 ?)?-", name):  # "1-auc"
        return None
    direction = _direction(re.findall(r"[a-z0-9]+|@", name.lower()))
    if direction == "unknown":  # perhaps words are told apart by capitals: "BinaryAccuracy", "MSELoss"
        apart = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])", " ", name)
        direction = _direction(re.findall(r"[a-z0-9]+|@", apart.lower()))
    return {"+": True, "-": False}.get(direction)


def _direction(words: list[str]) -> str:
    """The sign of the whole: + or -, "?" where its words contradict each other, "unknown" where none has a sign."""
    text = re.split(r" (?:at|@) ", " ".join(words))[0]  # "recall_at_fpr" is a recall
    for phrase, sign in _PHRASES:
        text = phrase.sub(f" {sign} ", text)
    signs: list[str] = []
    negated = False
    for word in text.split():
        if word in _TWISTS or word == "?":
            return "?"
        if word in _NEGATIONS:
            if signs:  # "recall_neg" is that of the negative class, or minus the recall
                return "?"
            negated = not negated
        elif sign := _sign(word):
            signs.append(sign)
    if not signs:
        return "unknown"
    if negated:
        return "+" if set(signs) == {"-"} else "?"
    # A loss of whatever is a loss; but the score of an error has a sign of its author's choice.
    return signs[-1] if signs[-1] == "-" or "-" not in signs else "?"


def _sign(word: str) -> str:
    """+ or -, or nothing for a word that is not known; numbers behind it don't matter: "ndcg10"."""
    if word in ("+", "-"):
        return word
    for known in (word, word.rstrip("0123456789"), next(filter(word.endswith, _ENDINGS), "")):
        if known in _LARGER:
            return "+"
        if known in _SMALLER:
            return "-"
    return ""
